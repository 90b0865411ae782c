"""PESQ, narrow band and wide band, by the ITU code in the package `pesq`.

Tests:
    ``utterances`` in tests/metrics/pesq/test_metric.py
"""
