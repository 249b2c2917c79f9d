"""Verbs about texts in and of pictures."""
