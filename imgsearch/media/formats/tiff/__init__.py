"""TIFF files that Pillow reads wrongly or not at all."""
