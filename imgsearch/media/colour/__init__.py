"""Samples of any depth and colour space to a small sRGB image."""
