"""Reads recordings and makes clips: segments, degradations, splits.

Tests:
    ``fingerprints`` in tests/building/test_recordings.py
    ``clip_spec`` in tests/corpus/test_clip_plan.py
    ``degradation_sources`` in tests/corpus/test_degrade.py
    ``base``, ``file_sources`` in tests/corpus/test_sources.py
"""
