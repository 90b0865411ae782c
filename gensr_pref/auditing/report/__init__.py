"""Writes the audit as one self-contained HTML page with figures, tables and audio.

Tests: ``answer`` in tests/auditing/report/test_answers.py;
``advice`` in tests/auditing/report/test_answers.py;
``pair_answers`` in tests/auditing/report/test_answers.py;
``format`` in tests/auditing/report/test_answers.py;
``page`` in tests/auditing/report/test_write.py;
``charts`` in tests/auditing/report/test_write.py;
``figures`` in tests/auditing/report/test_write.py;
``svg`` in tests/auditing/report/test_write.py;
``spectrogram`` in tests/auditing/report/test_write.py.
"""
