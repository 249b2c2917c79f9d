"""What `apply` would do: records, checks, the file on disk, and a person's review of it."""
