"""NISQA v2.0."""
