"""Applies the panel or a generator to your own files; evaluates policies on held-out clips.

Tests:
    ``evaluation_panel``, ``evaluation_policies`` in tests/apply/test_evaluate.py
    ``evaluation_report``, ``evaluation_result`` in tests/apply/test_evaluate.py
    ``evaluation_scores`` in tests/apply/test_evaluate.py
    ``restore_file`` in tests/apply/test_restore.py
    ``score_table`` in tests/apply/test_score.py
"""
