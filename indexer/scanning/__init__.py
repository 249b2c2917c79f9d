"""What a person names, walked and compared with the catalog: a list of work."""
