"""Messages between a pool and its workers: lengths, a JSON head and raw bytes.

Pickle is not used, so that a decoder taken over by a hostile file cannot run code in the parent.
"""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

_LENGTHS = struct.Struct("<II")
_TOGETHER_BYTES = 1 << 16  # a body up to this size is copied after its head, so that one system call sends both

MAX_HEAD_BYTES = 1 << 20
MAX_BODY_BYTES = 1 << 26


def dump(value: Any) -> bytes:
    """``value`` as ASCII JSON. Raises TypeError or ValueError if JSON cannot express it."""
    return _ENCODER.encode(value).encode("ascii")


_ENCODER = json.JSONEncoder(separators=(",", ":"))


def write_frame(stream: BinaryIO, head: bytes, body: bytes = b"") -> None:
    """Write and flush one message. ``head`` is a JSON object. Raises OSError if the other side is gone."""
    start = _LENGTHS.pack(len(head), len(body)) + head
    if len(body) <= _TOGETHER_BYTES:
        stream.write(start + body)
    else:
        stream.write(start)
        stream.write(body)
    stream.flush()


def read_frame(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """The next message; None at the end, and for a message that is truncated, too long or malformed."""
    lengths = _read_exactly(stream, _LENGTHS.size)
    if lengths is None:
        return None
    head_bytes, body_bytes = _LENGTHS.unpack(lengths)
    if head_bytes > MAX_HEAD_BYTES or body_bytes > MAX_BODY_BYTES:
        return None
    text, body = _read_exactly(stream, head_bytes), _read_exactly(stream, body_bytes)
    if text is None or body is None:
        return None
    try:
        head = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return (head, body) if isinstance(head, dict) else None


def _read_exactly(stream: BinaryIO, count: int) -> bytes | None:
    data = stream.read(count)
    return data if len(data) == count else None
