"""What the decoding process does with an image to read; it imports nothing of the reader."""

from __future__ import annotations

from typing import Any

from PIL import Image

from imgsearch.media.decode import open_upright
from imgsearch.media.limits import DecodeLimits
from imgsearch.media.opening import translated
from imgsearch.media.source import open_source, read_and_hash

MOST_PIXELS = 22_000_000
"""Of an image as it is read: what an answer of the pool holds. A larger one is reduced."""

_LONGEST = 32_768


def page_task(arguments: Any, settings: dict[str, Any], limits: DecodeLimits) -> tuple[dict[str, Any], bytes]:
    """The workers' task: [path, sha256 or None, told orientation, longest side or 0] -> the upright image. Raises
    MediaError, ContentChanged."""
    path, content_hash, told, side = arguments
    digest = content_hash or _digest(path, limits)
    image = open_upright(path, side or _LONGEST, limits=limits, content_hash=digest, told=told)
    scale = (MOST_PIXELS / (image.width * image.height)) ** 0.5
    if scale < 1:
        size = max(1, int(image.width * scale)), max(1, int(image.height * scale))
        image = image.resize(size, Image.Resampling.BICUBIC)
    return {"height": image.height, "width": image.width, "hash": digest}, image.tobytes()


def _digest(path: str, limits: DecodeLimits) -> str:
    with translated("read"), open_source(path, limits) as source:
        return read_and_hash(source)[0]
