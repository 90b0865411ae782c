"""Trains generators on preference pairs: DPO and other objectives, evaluation during training.

Tests:
    ``recipe`` in tests/aligning/test_docs.py
    ``batches``, ``checkpoints``, ``utility``, ``step`` in tests/aligning/test_dpo.py
    ``alignment_run`` in tests/aligning/test_dpo.py
    ``average``, ``token_compatibility`` in tests/aligning/test_models.py
    ``exported_pairs``, ``feature_cache``, ``pairs``, ``inputs`` in tests/aligning/test_run_pairs.py
    ``log``, ``objectives`` in tests/aligning/test_align.py
    ``file_digests``, ``resume`` in tests/aligning/test_training_folder.py
"""
