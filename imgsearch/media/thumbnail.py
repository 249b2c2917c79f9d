"""An image file -> a small WebP for viewing: upright, sRGB, transparency on white, without metadata."""

from __future__ import annotations

import io
import os

from imgsearch.errors import MediaError
from imgsearch.media.decode import open_upright
from imgsearch.media.limits import DecodeLimits, machine_budget

SIDES = {"small": 320, "medium": 640, "large": 1280}
"""Longer side in pixels: a tile of the page, the same on a screen of double density, and the width of a screen."""

RECIPE = "2"
"""Version of thumbnails, part of every cache key. Raise it when a change moves their pixels."""

LONG_RECIPE = "3"
"""The same of images that are longer than `side_of` makes an exception for."""

_FULLEST = 16 / 9
_LONGEST = {320: 2048, 640: 3200, 1280: 5120}
"""The longest side that a panorama's thumbnail may have, by the usual one: 6.4, 5 and 4 times it."""


def is_long(width: int, height: int) -> bool:
    """Whether an image is a panorama, or a strip: longer than 16 to 9 of its shorter side."""
    return max(width, height) > _FULLEST * max(1, min(width, height)) + 1e-6


def side_of(width: int, height: int, usual: int) -> int:
    """The longer side of a thumbnail in pixels. Rows of a page are equally high: of a panorama within ``usual`` pixels
    they would enlarge a few lines to a blur, so it gets the height of a picture of 16 to 9, up to a limit."""
    if not is_long(width, height):
        return usual
    longer = round(usual / _FULLEST * max(width, height) / max(1, min(width, height)))
    return min(longer, _LONGEST.get(usual, 4 * usual))


def recipe_of(width: int, height: int) -> str:
    """The version of an image's thumbnails."""
    return LONG_RECIPE if is_long(width, height) else RECIPE


_QUALITY = 80


def make_thumbnail(
    path: str | os.PathLike[str],
    max_side: int,
    *,
    content_hash: str | None = None,
    limits: DecodeLimits | None = None,
    told: int = 0,
) -> bytes:
    """The image within ``max_side`` pixels as WebP, aspect ratio kept, never enlarged. If a ``content_hash`` (sha256 in
    hex) is given, exactly these bytes are decoded. ``told`` is used as in `decode_file`. Raises MediaError, and
    ContentChanged if the bytes are others. A 12-megapixel JPEG takes 60 ms at 320 px and 460 ms at 1,280 px, most of it
    for WebP."""
    limits = limits or DecodeLimits(memory_bytes=machine_budget())  # as for a large image of an index run
    image = open_upright(path, max_side, limits=limits, content_hash=content_hash, told=told)
    file = io.BytesIO()
    try:
        image.save(file, "WEBP", quality=_QUALITY, icc_profile=b"", exif=b"", xmp=b"")
    except (OSError, ValueError, MemoryError) as exc:
        raise MediaError(f"no thumbnail can be made of the picture ({exc})", stage="encode", transient=True) from exc
    return file.getvalue()
