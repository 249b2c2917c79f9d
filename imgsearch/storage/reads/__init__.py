"""Reads of an open library for pages and commands."""
