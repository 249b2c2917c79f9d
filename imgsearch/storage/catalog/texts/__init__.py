"""Texts of images that a program made: captions, and words that were read."""
