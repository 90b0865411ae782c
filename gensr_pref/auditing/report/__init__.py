"""Writes the audit as one self-contained HTML page with figures, tables and audio.

Tests:
    ``advice``, ``answer``, ``format``, ``pair_answers`` in tests/auditing/report/test_answers.py
    ``charts``, ``figures``, ``page``, ``spectrogram`` in tests/auditing/report/test_write.py
    ``svg`` in tests/auditing/report/test_write.py
"""
