"""A run directory: run.yaml, shards, part files, ledger, and the check of their integrity."""
