"""Metrics: candidates in, scores out; a panel runs several of them.

Tests: ``base`` in tests/metrics/test_panel.py.
Tests: ``clean_reference`` in tests/metrics/test_si_sdr.py.
Tests: ``inputs`` in tests/metrics/test_panel.py.
Tests: ``members`` in tests/metrics/test_panel.py.
Tests: ``results`` in tests/metrics/test_panel.py.
"""
