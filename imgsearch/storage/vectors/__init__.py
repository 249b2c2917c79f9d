"""Vectors on disk, and sets of ids."""
