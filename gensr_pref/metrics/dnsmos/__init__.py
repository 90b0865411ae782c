"""DNSMOS (P.835 and P.808) on the CPU and the GPU, equal to speechmos.

Tests:
    ``cpu``, ``networks`` in tests/metrics/dnsmos/test_metric.py
"""
