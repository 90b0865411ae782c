"""UTMOS22 (strong learner): naturalness, predicted without a reference.

Tests:
    ``network`` in tests/metrics/utmos/test_metric.py
"""
