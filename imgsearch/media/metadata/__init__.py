"""EXIF, XMP and IPTC as they lie in a file."""
