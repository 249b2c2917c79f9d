"""What pages and commands ask of an open library."""
