"""What others wrote, read within bounds and shown as text; docs/security.md has the promises."""
