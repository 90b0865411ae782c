"""NISQA v2.0: overall quality and four dimensions, predicted without a reference.

Tests:
    ``network`` in tests/metrics/nisqa/test_metric.py
"""
