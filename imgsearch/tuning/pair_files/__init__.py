"""Pairs in files: tables, and folders of pictures and texts."""
