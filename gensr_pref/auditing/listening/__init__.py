"""Lets people judge pairs blind: the trials, the page, the answers and their statistics."""
