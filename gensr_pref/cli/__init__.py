"""The command line: one module per command, which parses, calls one function and prints.

Tests:
    ``train`` in tests/aligning/test_align.py
    ``evaluate`` in tests/apply/test_evaluate.py
    ``plan`` in tests/apply/test_pilot.py
    ``restore`` in tests/apply/test_restore.py
    ``__main__``, ``score`` in tests/apply/test_score.py
    ``audit``, ``audit_text`` in tests/auditing/test_run_audit.py
    ``pair`` in tests/building/test_pair.py
    ``summary_text`` in tests/building/test_scoring.py
    ``status`` in tests/building/test_status.py
    ``build``, ``generators``, ``metrics`` in tests/cli/test_main.py
"""
