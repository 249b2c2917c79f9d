"""Compares images by their pixels: signatures, crops, full size."""
