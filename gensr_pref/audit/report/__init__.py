"""The audit as one page that needs nothing else: words, figures, tables and sound."""
