"""Turns the text that a person types into a parsed query."""
