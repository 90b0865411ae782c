"""Builds a run: clips, candidates, scores and pairs, resumable, in one process or on Ray.

Tests: ``shard_recovery`` in tests/rundir/test_layout.py;
``splits`` in tests/corpus/test_splits.py.
"""
