"""Reads recordings and makes clips: segments, degradations, splits."""
