"""Messages between a pool and its decode workers: a JSON head and raw bytes, length first.

No pickle: a decoder that a hostile file has taken over must not be able to run code in the parent.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from typing import Any, BinaryIO

import numpy as np

from imgsearch.errors import MediaError
from imgsearch.media.decode import DecodedImage, KnownContent
from imgsearch.records import SIGNATURE_BYTES, MediaFacts

_LENGTHS = struct.Struct("<II")
_MAX_HEAD_BYTES = 1 << 20
_MAX_BODY_BYTES = 1 << 26

Outcome = DecodedImage | KnownContent | MediaError


def write_frame(stream: BinaryIO, head: dict[str, Any], body: bytes = b"") -> None:
    """Write one message and flush. Raises OSError if the other side is gone."""
    text = json.dumps(head, separators=(",", ":")).encode("ascii")
    stream.write(_LENGTHS.pack(len(text), len(body)) + text + body)
    stream.flush()


def read_frame(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """The next message; None at the end, and for a message that is cut off or makes no sense."""
    lengths = _read_exactly(stream, _LENGTHS.size)
    if lengths is None:
        return None
    head_bytes, body_bytes = _LENGTHS.unpack(lengths)
    if head_bytes > _MAX_HEAD_BYTES or body_bytes > _MAX_BODY_BYTES:
        return None
    text, body = _read_exactly(stream, head_bytes), _read_exactly(stream, body_bytes)
    if text is None or body is None:
        return None
    try:
        head = json.loads(text)
    except ValueError:
        return None
    return (head, body) if isinstance(head, dict) else None


def _read_exactly(stream: BinaryIO, count: int) -> bytes | None:
    data = stream.read(count)
    return data if len(data) == count else None


def pack_outcome(outcome: Outcome) -> tuple[dict[str, Any], bytes]:
    """An outcome as the head and body of a message."""
    if isinstance(outcome, DecodedImage):
        facts = dataclasses.asdict(outcome.facts)
        head = {"kind": "image", "facts": facts, "mtime_ns": outcome.mtime_ns}
        return head, outcome.pixels.tobytes() + outcome.signature
    if isinstance(outcome, KnownContent):
        return {"kind": "known", "known": dataclasses.asdict(outcome)}, b""
    return {
        "kind": "failed",
        "message": outcome.message,
        "stage": outcome.stage,
        "transient": outcome.transient,
    }, b""


def unpack_outcome(head: dict[str, Any], body: bytes, size: int) -> Outcome:
    """The reverse. Raises ValueError, KeyError or TypeError over a message that makes no sense."""
    if head["kind"] == "image":
        count = size * size * 3
        pixels = np.frombuffer(body, np.uint8, count).reshape(size, size, 3)  # [S, S, 3]
        if len(body) - count not in (0, SIGNATURE_BYTES):
            raise ValueError(f"got {len(body) - count} bytes of signature, expected {SIGNATURE_BYTES}")
        return DecodedImage(pixels, MediaFacts(**head["facts"]), int(head["mtime_ns"]), body[count:])
    if head["kind"] == "known":
        return KnownContent(**head["known"])
    return MediaError(str(head["message"]), stage=str(head["stage"]), transient=bool(head["transient"]))
