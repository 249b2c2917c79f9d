"""An image file -> a full-size JPEG that every browser shows: upright, sRGB, transparency on white, without metadata.
For originals that browsers do not show: HEIC, TIFF, RAW, JPEG 2000, JPEG XL, Photoshop documents ..."""

from __future__ import annotations

import io
import os
from typing import Any

from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.media.decode import open_upright
from imgsearch.media.limits import DecodeLimits

LONGEST = 16_384
"""Largest side in pixels. A phone's 200 megapixels have it, and browsers draw no more."""

MOST_BYTES = 60_000_000
"""Largest JPEG. The quality is lowered until it fits."""

RECIPE = "1"
"""Version of renditions, part of every cache key. Raise it when a change moves their pixels."""

_QUALITIES = (90, 75, 50)


def make_rendition(
    path: str | os.PathLike[str],
    *,
    content_hash: str | None,
    limits: DecodeLimits,
    told: int = 0,
    longest: int = LONGEST,
) -> bytes:
    """The image at ``path`` as a JPEG. If a ``content_hash`` (sha256 in hex) is given, exactly these bytes are decoded.
    ``told`` is used as in `decode_file`. Raises MediaError, and ContentChanged if the bytes are others. 12 megapixels
    of HEIC take 1 s, of which encoding the JPEG is 0.1 s."""
    image = open_upright(path, longest, limits=limits, content_hash=content_hash, told=told)
    for quality in _QUALITIES:
        content = _encoded(image, quality)
        if len(content) <= MOST_BYTES:
            return content
    raise MediaError(f"no JPEG of at most {MOST_BYTES} bytes can be made of the picture", stage="encode")


def _encoded(image: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    try:
        image.save(file, "JPEG", quality=quality, icc_profile=b"", exif=b"")
    except (OSError, ValueError, MemoryError) as exc:
        raise MediaError(f"no JPEG can be made of the picture ({exc})", stage="encode", transient=True) from exc
    return file.getvalue()


def rendition_task(arguments: Any, settings: dict[str, Any], limits: DecodeLimits) -> tuple[dict[str, Any], bytes]:
    """The pool's task: ``arguments`` are [path, content hash, told orientation], ``settings`` has "longest". Raises
    MediaError."""
    path, content_hash, told = arguments
    content = make_rendition(
        path, content_hash=content_hash, limits=limits, told=told, longest=int(settings["longest"])
    )
    return {"bytes": len(content)}, content
