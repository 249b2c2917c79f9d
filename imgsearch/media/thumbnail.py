"""An image file -> a small WebP for viewing: upright, sRGB, transparency on white, without metadata."""

from __future__ import annotations

import io
import os

from imgsearch.errors import MediaError
from imgsearch.media.decode import open_upright
from imgsearch.media.limits import DecodeLimits, machine_budget

SIDES = {"small": 320, "large": 1280}
"""Longer side in pixels: twice a tile of 160 px, for screens of double density, and the width of a screen."""

RECIPE = "2"
"""Version of thumbnails, part of every cache key. Raise it when a change moves their pixels."""

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
