"""The orientation of a TIFF that Pillow reads, and the memory it takes."""

from __future__ import annotations

from typing import BinaryIO

from PIL import Image

from imgsearch.media.containers.header import load_exif_from
from imgsearch.media.containers.tiff.directories import Directory, at_directory
from imgsearch.media.containers.tiff.pages import Pages
from imgsearch.media.metadata.exif import exif_of, orientation_of, own_orientation
from imgsearch.media.metadata.xmp import parse_xmp

_ROWS_PER_STRIP = 0x0116


def tiff_orientation(stream: BinaryIO, page: Directory, pages: Pages | None) -> int:
    """The main page's own orientation, else that of the first directory, where cameras and scanners write it, else
    XMP's."""
    directories = (page,) if pages is None else (page, pages.first)
    for each in directories:
        if each.has_orientation:
            return own_orientation(load_exif_from(at_directory(stream, each.offset)))
    text = next((parse_xmp(each.xmp).first("tiff:Orientation") for each in directories if each.xmp), "")
    return int(text) if text in set("12345678") else 0


def tiff_bytes(image: Image.Image) -> int:
    """Bytes that a TIFF takes besides its pixels: one strip or tile, and a second copy if Pillow turns it."""
    width, height = image.size
    rows = getattr(image, "tag_v2", {}).get(_ROWS_PER_STRIP, height)
    strip = 4 * width * (min(rows, height) if isinstance(rows, int) else height)
    return strip + (4 * width * height if orientation_of(exif_of(image)) > 1 else 0)
