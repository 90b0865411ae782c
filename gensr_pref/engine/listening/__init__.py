"""Pairs judged by people: what is asked, the page that asks, and what they answered."""
