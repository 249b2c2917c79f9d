"""TIFF and what builds on it: camera RAW."""
