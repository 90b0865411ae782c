"""Tables that a user provides: rows, cells, file names, language codes."""
