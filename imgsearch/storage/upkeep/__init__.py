"""What a person asks of a whole library: verify, repair, compact, rebind."""
