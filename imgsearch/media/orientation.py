"""What an EXIF orientation asks of a viewer (CIPA DC-008, 4.6.4 A)."""

from __future__ import annotations

from PIL import Image

_METHODS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def turn_picture(picture: Image.Image, orientation: int) -> Image.Image:
    """``picture`` as a viewer turns a file of EXIF ``orientation``; itself for 1 and for numbers that mean nothing."""
    method = _METHODS.get(orientation)
    return picture if method is None else picture.transpose(method)
