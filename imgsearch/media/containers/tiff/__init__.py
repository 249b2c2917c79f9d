"""TIFF and the camera RAW formats built on it."""
