"""A run directory: run.yaml, shards, part files, ledger, and the check that they belong together."""
