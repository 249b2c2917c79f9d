"""Readers for single formats that Pillow alone does not read correctly."""
