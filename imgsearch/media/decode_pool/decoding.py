"""The workers' tasks: decode a file for the index, or read a small image. They import nothing of the pool."""

from __future__ import annotations

from typing import Any

from imgsearch.media.decode import decode_file, open_upright
from imgsearch.media.decode_pool.outcomes import pack_outcome
from imgsearch.media.limits import DecodeLimits


def decode_task(arguments: Any, settings: dict[str, Any], limits: DecodeLimits) -> tuple[dict[str, Any], bytes]:
    """`decode_file`: ``arguments`` are [path, known hashes, told orientation], ``settings`` has "size" and "pixels".
    Raises MediaError."""
    path, known_hashes, told = (*arguments, 0)[:3]
    size, pixels = settings["size"], settings["pixels"]
    known = frozenset(known_hashes)
    return pack_outcome(decode_file(path, size, limits=limits, known_hashes=known, pixels=pixels, told=told))


def small_task(arguments: Any, settings: dict[str, Any], limits: DecodeLimits) -> tuple[dict[str, Any], bytes]:
    """`open_upright`: ``arguments`` are [path, content hash], ``settings`` has "side". Raises MediaError."""
    path, content_hash = arguments
    image = open_upright(path, settings["side"], limits=limits, content_hash=content_hash)
    return {"height": image.height, "width": image.width}, image.tobytes()
