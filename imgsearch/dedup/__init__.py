"""Copies of every kind with the evidence for each, groups that do not chain, and a plan that can be undone."""
