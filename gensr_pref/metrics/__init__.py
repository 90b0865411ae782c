"""Metrics: candidates in, scores out; a panel asks several of them."""
