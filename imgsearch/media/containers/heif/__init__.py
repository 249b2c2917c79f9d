"""HEIC, HEIF and AVIF."""
