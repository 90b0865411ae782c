"""Lets people judge pairs blind: the trials, the page, the answers and their statistics.

Tests: ``answers`` in tests/auditing/listening/test_server.py;
``session`` in tests/auditing/listening/test_server.py;
``trials`` in tests/auditing/listening/test_server.py;
``webmushra`` in tests/auditing/listening/test_server.py.
"""
