"""Scores to pairs."""
