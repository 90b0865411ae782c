"""Writes the audit as one self-contained HTML page with figures, tables and audio."""
