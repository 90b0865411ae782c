"""A run directory: run.yaml, shards, part files, ledger, and whether they belong together."""
