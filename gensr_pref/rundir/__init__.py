"""What a run directory holds: its settings, its shards, its ledger, and whether all of it is there.

Reading needs no corpus, no generator, no metric and no pair rule: whoever holds a run directory
can check it, whatever made it.
"""
