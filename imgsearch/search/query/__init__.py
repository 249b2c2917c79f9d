"""A text becomes a parsed query."""
