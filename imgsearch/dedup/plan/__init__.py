"""The plan of an `apply`: records, checks, the file on disk, and a person's review of it."""
