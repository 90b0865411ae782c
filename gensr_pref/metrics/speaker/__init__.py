"""Speaker similarity, and the speaker encoders that it can use.

Tests: ``encoder`` in tests/metrics/speaker/test_metric.py.
Tests: ``onnx`` in tests/metrics/speaker/test_metric.py.
Tests: ``registry`` in tests/metrics/speaker/test_metric.py.
Tests: ``resemblyzer`` in tests/metrics/speaker/test_metric.py.
"""
