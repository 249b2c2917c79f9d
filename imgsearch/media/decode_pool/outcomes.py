"""Packs outcomes of decoding into the head and body of an answer. Apart from the task, because the parent decodes
nothing."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from imgsearch.media.decoded import DecodedImage, KnownContent
from imgsearch.records import SIGNATURE_BYTES, MediaFacts, Word

_FACTS = tuple(field.name for field in fields(MediaFacts))


def pack_outcome(outcome: DecodedImage | KnownContent) -> tuple[dict[str, Any], bytes]:
    """An outcome as the head and body of an answer."""
    if isinstance(outcome, KnownContent):
        return {"known": [outcome.content_hash, outcome.size_bytes, outcome.mtime_ns]}, b""
    facts = {name: getattr(outcome.facts, name) for name in _FACTS}
    head = {"facts": facts, "mtime_ns": outcome.mtime_ns, "words": outcome.words}
    return head, outcome.pixels.tobytes() + outcome.signature


def unpack_outcome(head: dict[str, Any], body: bytes, side: int) -> DecodedImage | KnownContent:
    """The outcome that `pack_outcome` packed, with pixels uint8 [side, side, 3]. Raises ValueError, KeyError or
    TypeError for a malformed answer."""
    if "known" in head:
        digest, size_bytes, mtime_ns = head["known"]
        return KnownContent(str(digest), int(size_bytes), int(mtime_ns))
    count = side * side * 3
    if len(body) - count not in (0, SIGNATURE_BYTES):
        raise ValueError(f"got {len(body) - count} bytes of signature, expected {SIGNATURE_BYTES}")
    pixels = np.frombuffer(body, np.uint8, count).reshape(side, side, 3)  # [S, S, 3]
    words = tuple(Word(*map(str, each)) for each in head["words"])
    return DecodedImage(pixels, MediaFacts(**head["facts"]), int(head["mtime_ns"]), body[count:], words)
