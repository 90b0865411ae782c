"""Trains the shipped generators from clean speech, before any preference pairs exist.

Tests:
    ``ar``, ``examples``, ``fm``, ``mgm``, ``recipe`` in tests/aligning/pretrain/test_train.py
    ``token_losses``, ``tokenizer`` in tests/aligning/pretrain/test_train.py
"""
