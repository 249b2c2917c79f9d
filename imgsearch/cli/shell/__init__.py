"""Output made from all verbs: completion scripts for shells, and the manual page."""
