"""Exports a run as a Hugging Face dataset with a card, and publishes it on the Hub."""
