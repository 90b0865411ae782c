"""The command line: one module per command, which parses, calls one function and prints.

Tests: ``__main__`` in tests/apply/test_score.py;
``audit`` in tests/auditing/test_run_audit.py;
``audit_text`` in tests/auditing/test_run_audit.py;
``build`` in tests/cli/test_main.py;
``evaluate`` in tests/apply/test_evaluate.py;
``generators`` in tests/cli/test_main.py;
``metrics`` in tests/cli/test_main.py;
``pair`` in tests/building/test_pair.py;
``plan`` in tests/apply/test_pilot.py;
``restore`` in tests/apply/test_restore.py;
``score`` in tests/apply/test_score.py;
``status`` in tests/building/test_status.py;
``summary_text`` in tests/building/test_scoring.py;
``train`` in tests/aligning/test_train.py.
"""
