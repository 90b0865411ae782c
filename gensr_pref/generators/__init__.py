"""Generators: noisy clips in, N restored candidates each out.

Tests:
    ``registry`` in tests/building/test_prepare.py
    ``subprocess_run`` in tests/generators/test_command.py
    ``base``, ``file_patterns`` in tests/generators/test_folder.py
"""
