"""A run directory: run.yaml, shards, part files, the record of them, and their integrity check."""
