"""Metrics: candidates in, scores out; a panel runs several of them.

Tests:
    ``base``, ``inputs``, ``members``, ``results`` in tests/metrics/test_panel.py
    ``clean_reference`` in tests/metrics/test_si_sdr.py
"""
