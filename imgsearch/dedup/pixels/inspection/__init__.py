"""Compares two files that may be copies once more, at the full size of the smaller one."""
