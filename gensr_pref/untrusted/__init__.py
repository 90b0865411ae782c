"""Bounded readers for documents that others wrote, and safe display of their text."""
