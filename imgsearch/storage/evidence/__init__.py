"""What dedup found so far, in a database of its own."""
