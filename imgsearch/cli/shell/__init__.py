"""What is made from all verbs: completion scripts for shells, and the manual page."""
