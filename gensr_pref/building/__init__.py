"""Builds a run: clips, candidates, scores and pairs, resumable, in one process or on Ray.

Tests:
    ``splits`` in tests/corpus/test_splits.py
    ``shard_recovery`` in tests/rundir/test_shards.py
"""
