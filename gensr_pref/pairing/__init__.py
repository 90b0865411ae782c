"""Pair rules: scores in, pairs of a chosen and a rejected candidate out.

Tests:
    ``yield_by_chance`` in tests/auditing/test_run_audit.py
    ``rules``, ``unpaired`` in tests/pairing/test_no_pairs.py
    ``columns``, ``votes`` in tests/pairing/test_pairs.py
    ``golden`` in tests/pairing/test_ranked.py
    ``base`` in tests/pairing/test_unanimous.py
"""
