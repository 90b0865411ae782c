"""Files on a disk or in an object store: paths, atomic writes, JSON lines, locks.

Tests: ``base`` in tests/storage/test_files.py.
Tests: ``local_files`` in tests/storage/test_files.py.
Tests: ``object_files`` in tests/storage/test_files.py.
Tests: ``pieces`` in tests/storage/test_jsonl.py.
"""
