"""Files on a disk or in an object store: paths, atomic writes, JSON lines, locks.

Tests:
    ``base``, ``local_files``, ``object_files`` in tests/storage/test_files.py
    ``pieces`` in tests/storage/test_jsonl.py
"""
