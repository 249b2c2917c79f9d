"""Files that lack their end or hold a damaged chunk, and that viewers show nevertheless."""
