"""Tuning on a person's own pictures: pairs, what is trained, and what it gained. Importing this loads no torch."""
