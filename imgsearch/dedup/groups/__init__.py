"""Turns pairs into groups of files that do not chain, and chooses the file of a group that stays."""
