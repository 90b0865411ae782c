"""Confidence intervals for few clusters, and when one is narrow enough for a verdict."""
