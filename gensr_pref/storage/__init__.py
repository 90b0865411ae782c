"""Files on a disk or in an object store: paths, atomic writes, JSON lines, locks.

Tests: ``files`` in tests/rundir/test_part_files.py.
Tests: ``jsonl`` in tests/rundir/test_part_files.py.
"""
