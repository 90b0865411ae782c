"""Bounded readers of documents from other people, and safe display of their text."""
