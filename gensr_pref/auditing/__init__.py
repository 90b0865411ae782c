"""Measures what the pairs of a run are worth: agreement, yield by chance, bias, learnability.

Tests:
    ``forest_plot``, ``format`` in tests/apply/test_evaluate.py
    ``document``, ``load``, ``pair_audio`` in tests/auditing/test_run_audit.py
"""
