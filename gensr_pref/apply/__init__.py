"""Applies the panel or a generator to your own files; evaluates policies on held-out clips."""
