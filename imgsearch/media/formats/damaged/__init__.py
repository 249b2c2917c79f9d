"""Files that lack their end or hold a bad chunk, and that viewers show all the same."""
