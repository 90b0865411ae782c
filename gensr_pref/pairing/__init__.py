"""Pair rules: scores in, pairs of a chosen and a rejected candidate out.

Tests: ``base`` in tests/pairing/test_unanimous.py;
``columns`` in tests/pairing/test_pairs.py;
``votes`` in tests/pairing/test_pairs.py;
``golden`` in tests/pairing/test_ranked.py;
``rules`` in tests/pairing/test_no_pairs.py;
``unpaired`` in tests/pairing/test_no_pairs.py;
``yield_by_chance`` in tests/auditing/test_run_audit.py.
"""
