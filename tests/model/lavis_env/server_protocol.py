"""One message on a pipe: 8 bytes of length and JSON, then 8 bytes of length and an .npz of arrays. Runs in both
environments, so it imports NumPy alone."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np


def read(stream: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    head = stream.read(8)
    if len(head) < 8:
        return None
    asked = json.loads(stream.read(struct.unpack("<Q", head)[0]))
    body = stream.read(struct.unpack("<Q", stream.read(8))[0])
    return asked, dict(np.load(io.BytesIO(body))) if body else {}


def write(stream: Any, said: dict[str, Any], **arrays: np.ndarray) -> None:
    packed = io.BytesIO()
    if arrays:
        np.savez(packed, **arrays)
    head = json.dumps(said).encode()
    stream.write(struct.pack("<Q", len(head)) + head + struct.pack("<Q", packed.tell()) + packed.getvalue())
    stream.flush()
