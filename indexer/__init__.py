"""Offline index building: walk, decode, encode, commit."""
