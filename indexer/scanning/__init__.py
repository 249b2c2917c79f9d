"""Walks the paths that a person names and compares them with the catalog, which gives a list of work."""
