"""Moves files, journals the moves, brings files back, or deletes them for good."""
