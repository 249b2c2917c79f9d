"""The workers' tasks: decode a file for the index, or read a small image. They import nothing of the pool."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import replace
from typing import Any

from imgsearch.media.decode import decode_file, open_upright
from imgsearch.media.decode_pool.outcomes import pack_outcome
from imgsearch.media.decoded import DecodedImage
from imgsearch.media.limits import DecodeLimits

_REMEMBERED = 16
_RECENT: OrderedDict[tuple[Any, str], DecodedImage] = OrderedDict()
"""The last few contents, by what decides how they are decoded and their sha256: equal files often lie side by side."""


def decode_task(arguments: Any, settings: dict[str, Any], limits: DecodeLimits) -> tuple[dict[str, Any], bytes]:
    """`decode_file`: ``arguments`` are [path, known hashes, told orientation], ``settings`` has "size" and "pixels".
    Raises MediaError."""
    path, known_hashes, told = (*arguments, 0)[:3]
    size, pixels = settings["size"], settings["pixels"]
    known = frozenset(known_hashes)
    alike = (size, pixels, told, os.path.splitext(path)[1].lower())  # noqa: PTH122  a RAW is known by its name
    recent = {key[1]: image for key, image in _RECENT.items() if key[0] == alike}
    found = decode_file(path, size, limits=limits, known_hashes=known | recent.keys(), pixels=pixels, told=told)
    if isinstance(found, DecodedImage):
        _RECENT[alike, found.facts.content_hash] = found
        if len(_RECENT) > _REMEMBERED:
            _RECENT.popitem(last=False)
    elif found.content_hash not in known:
        found = replace(recent[found.content_hash], mtime_ns=found.mtime_ns)
    return pack_outcome(found)


def small_task(arguments: Any, settings: dict[str, Any], limits: DecodeLimits) -> tuple[dict[str, Any], bytes]:
    """`open_upright`: ``arguments`` are [path, content hash], ``settings`` has "side". Raises MediaError."""
    path, content_hash = arguments
    image = open_upright(path, settings["side"], limits=limits, content_hash=content_hash)
    return {"height": image.height, "width": image.width}, image.tobytes()
