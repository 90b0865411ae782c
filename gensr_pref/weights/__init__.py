"""Pretrained weights: the catalogue, downloads and their checksums, the Hugging Face Hub.

Tests:
    ``hub`` in tests/generators/tiny/test_pretrained.py
    ``download`` in tests/weights/test_fetch.py
"""
