"""A picture file -> a small WebP to look at: upright, sRGB, transparency on white, without any metadata."""

from __future__ import annotations

import io
import os

from imgsearch.errors import MediaError
from imgsearch.media.decode import open_upright
from imgsearch.media.limits import DecodeLimits, machine_budget

SIDES = {"small": 320, "large": 1280}
"""Pixels, the longer side: twice a tile of 160 px for screens of double density, and a screen's width."""

RECIPE = "2"
"""How thumbnails are made. Raise it when a change moves their pixels: caches and browsers keep them by it."""

_QUALITY = 80


def make_thumbnail(
    path: str | os.PathLike[str],
    max_side: int,
    *,
    content_hash: str | None = None,
    limits: DecodeLimits | None = None,
    told: int = 0,
) -> bytes:
    """The picture within ``max_side`` pixels, its aspect kept, never enlarged, as WebP. With a ``content_hash`` (sha256
    in hex) the very bytes that are decoded must have it: ContentChanged otherwise. ``told`` as in `decode_file`. Raises
    MediaError. A 12-megapixel JPEG takes 60 ms at 320 px and 460 ms at 1,280 px, of which WebP takes most."""
    limits = limits or DecodeLimits(memory_bytes=machine_budget())  # what an index run has read, this reads too
    image = open_upright(path, max_side, limits=limits, content_hash=content_hash, told=told)
    file = io.BytesIO()
    try:
        image.save(file, "WEBP", quality=_QUALITY, icc_profile=b"", exif=b"", xmp=b"")
    except (OSError, ValueError, MemoryError) as exc:
        raise MediaError(f"no thumbnail can be made of the picture ({exc})", stage="encode", transient=True) from exc
    return file.getvalue()
