"""Reads recordings and makes clips: segments, degradations, splits.

Tests: ``base`` in tests/corpus/test_sources.py.
Tests: ``clip_spec`` in tests/corpus/test_clip_plan.py.
Tests: ``degradation_sources`` in tests/corpus/test_degrade.py.
Tests: ``file_sources`` in tests/corpus/test_sources.py.
Tests: ``fingerprints`` in tests/building/test_recordings.py.
"""
