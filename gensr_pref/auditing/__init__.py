"""Measures what the pairs of a run are worth: agreement, yield by chance, bias, learnability.

Tests: ``document`` in tests/auditing/test_run_audit.py;
``load`` in tests/auditing/test_run_audit.py;
``pair_audio`` in tests/auditing/test_run_audit.py;
``forest_plot`` in tests/apply/test_evaluate.py;
``format`` in tests/apply/test_evaluate.py.
"""
