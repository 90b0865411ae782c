"""Lets people judge pairs blind: the trials, the page, the answers and their statistics.

Tests:
    ``answers``, ``session``, ``trials``, ``webmushra`` in tests/auditing/listening/test_server.py
"""
