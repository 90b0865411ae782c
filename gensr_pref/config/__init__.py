"""The run file, plugins and their options, and the messages about wrong settings."""
