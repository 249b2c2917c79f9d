"""Readers for single formats, where Pillow alone is not enough."""
