"""Builds a run: clips, candidates, scores and pairs, resumable, in one process or on Ray."""
