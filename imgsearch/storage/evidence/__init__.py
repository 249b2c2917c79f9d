"""The evidence that dedup has found, in a database of its own."""
