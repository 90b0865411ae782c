"""Runs a build: which shards are there to do, by whom, and what is on disk."""
