"""EXIF, XMP and IPTC as they are stored in a file."""
