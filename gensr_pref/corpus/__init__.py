"""Reads recordings and makes clips: segments, degradations, splits.

Tests: ``base`` in tests/corpus/test_sources.py.
Tests: ``degradation_sources`` in tests/corpus/test_degrade.py.
Tests: ``file_sources`` in tests/corpus/test_sources.py.
Tests: ``fingerprints`` in tests/building/test_recordings.py.
"""
