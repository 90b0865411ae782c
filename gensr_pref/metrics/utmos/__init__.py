"""UTMOS22 (strong learner)."""
