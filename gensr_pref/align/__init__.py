"""Pairs to a better generator, and clean speech to a first one."""
