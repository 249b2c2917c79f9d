"""Alters an image the way copies are altered, so that a self-evaluation does not look for the image itself."""

from __future__ import annotations

import io
import os

from PIL import Image

from imgsearch.media.decode import decode_bytes, open_upright
from imgsearch.records import UInt8

COPY_SIDE = 1024
"""Pixels of the longer side that a copy keeps at most: what messengers and web pages send on."""

COPY_SHARE = 0.9
"""Of width and height that a copy keeps, in the middle."""

COPY_QUALITY = 70
"""JPEG quality of a copy, chroma at half the resolution (Pillow's default)."""

ALTERATION = f"{COPY_SIDE:,} px at most, middle {100 * COPY_SHARE:.0f} %, JPEG of quality {COPY_QUALITY}"
"""The same in words, for people."""


def altered_pixels(path: str | os.PathLike[str], size: int, content_hash: str, told: int = 0) -> UInt8:
    """The picture at ``path``, altered, as a model of ``size`` pixels sees it: uint8 [S, S, 3].

    Decoded, reduced to `COPY_SIDE`, cropped to the middle `COPY_SHARE` of width and height, compressed as JPEG of
    `COPY_QUALITY`, decoded again as any file is. Raises MediaError where the file is gone, cannot be decoded, or no
    longer holds the content ``content_hash`` (sha256, hex). ``told`` as in `decode_file`. Cost: one read, two
    decodings, one compression."""
    copy = middle_of(open_upright(path, COPY_SIDE, content_hash=content_hash, told=told), COPY_SHARE)
    stream = io.BytesIO()
    copy.save(stream, "JPEG", quality=COPY_QUALITY)
    return decode_bytes(stream.getvalue(), size).pixels


def middle_of(image: Image.Image, share: float) -> Image.Image:
    """The middle ``share`` of width and of height, whole pixels, at least one each way."""
    width, height = (max(1, round(share * side)) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))
