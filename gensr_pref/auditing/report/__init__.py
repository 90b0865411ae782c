"""Writes the audit as one self-contained HTML page with figures, tables and audio.

Tests:
    ``advice``, ``finding``, ``format``, ``pair_findings`` in tests/auditing/report/test_findings.py
    ``charts``, ``figures``, ``page``, ``spectrogram`` in tests/auditing/report/test_write.py
    ``svg`` in tests/auditing/report/test_write.py
"""
