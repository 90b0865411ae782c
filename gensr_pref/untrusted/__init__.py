"""Size-limited readers of documents from other people, and safe display of their text."""
