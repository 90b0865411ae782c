"""Pretrained weights: the catalogue, downloads and their checksums, the Hugging Face Hub."""
