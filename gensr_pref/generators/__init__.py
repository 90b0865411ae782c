"""Generators: noisy clips in, N restored candidates each out.

Tests: ``base`` in tests/generators/test_folder.py.
Tests: ``file_patterns`` in tests/generators/test_folder.py.
Tests: ``registry`` in tests/building/test_prepare.py.
Tests: ``subprocess_run`` in tests/generators/test_command.py.
"""
