"""Pairs to what they are worth."""
