"""Trains the shipped generators from clean speech, before any preference pairs exist."""
