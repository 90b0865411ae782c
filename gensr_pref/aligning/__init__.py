"""Trains generators on preference pairs: DPO and other objectives, evaluation during training.

Tests:
    ``recipe`` in tests/aligning/test_docs.py
    ``batches``, ``checkpoints``, ``likelihood_gain``, ``step`` in tests/aligning/test_dpo.py
    ``training`` in tests/aligning/test_dpo.py
    ``average``, ``token_compatibility`` in tests/aligning/test_models.py
    ``exported_pairs``, ``feature_cache``, ``pairs``, ``setup`` in tests/aligning/test_run_pairs.py
    ``log``, ``objectives`` in tests/aligning/test_train.py
    ``file_digests``, ``resume`` in tests/aligning/test_training_folder.py
"""
