"""Pair rules: scores in, pairs of a chosen and a rejected candidate out."""
