"""The input and the output of a pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from imgsearch.media.decode_pool.frames import dump

_MOST_BYTES = 1 << 16
_AROUND_BYTES = 64


@dataclass(frozen=True, slots=True)
class Job:
    """One call of a pool's task."""

    arguments: Any  # JSON values of at most 64 KiB
    size_bytes: int = 0  # of the file; decides how many jobs share a message
    tag: Any = None  # the caller's; it never leaves this process


@dataclass(frozen=True, slots=True)
class JobResult:
    """What the task returned."""

    head: dict[str, Any]
    body: bytes


@dataclass(frozen=True, slots=True)
class Parcel:
    """A job on its way to a worker: its number in the pool, its arguments as JSON, and the size of its file."""

    number: int
    arguments: bytes
    size_bytes: int

    @property
    def sent_bytes(self) -> int:
        """An upper bound of its bytes in a message."""
        return len(self.arguments) + _AROUND_BYTES


def bounded(value: Any, name: str) -> bytes:
    """``value`` as JSON. Raises TypeError if JSON cannot express it, ValueError if it is too long."""
    text = dump(value)
    if len(text) > _MOST_BYTES:
        raise ValueError(f"{name}: {len(text)} bytes of JSON, expected at most {_MOST_BYTES}")
    return text
