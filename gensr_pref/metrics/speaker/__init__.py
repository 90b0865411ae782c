"""Speaker similarity, and the speaker encoders that it can use.

Tests:
    ``encoder``, ``onnx``, ``registry``, ``resemblyzer`` in tests/metrics/speaker/test_metric.py
"""
