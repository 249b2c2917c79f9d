"""Boxes of the ISO base media format (ISO/IEC 14496-12), as in HEIF, AVIF, JPEG 2000 and Canon's CR3."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from imgsearch.media.containers.header import MAX_BLOCK_BYTES, read_at

_MAX_BOXES = 100_000


@dataclass(frozen=True, slots=True)
class Box:
    """A box, named by its four letters. ``start`` and ``end`` bound its content, in the file or in the bytes that were
    walked."""

    name: bytes
    start: int
    end: int


def file_boxes(stream: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """The boxes of a file between two offsets, without reading their content. A damaged length ends the walk."""
    at = start
    for _ in range(_MAX_BOXES):
        box = _box(read_at(stream, at, 16), at, end)
        if box is None:
            return
        yield box
        at = box.end


def inner_boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes within bytes in memory."""
    at, end = start, len(data) if end is None else min(end, len(data))
    for _ in range(_MAX_BOXES):
        box = _box(data[at : at + 16], at, end)
        if box is None:
            return
        yield box
        at = box.end


def find_box(data: bytes, path: tuple[bytes, ...]) -> bytes:
    """The content of the first box at that path; b"" if there is none."""
    for name in path:
        data = next((data[box.start : box.end] for box in inner_boxes(data) if box.name == name), b"")
    return data


def read_box(stream: BinaryIO, box: Box) -> bytes:
    """A box's content, at most its first 16 MiB."""
    return read_at(stream, box.start, min(box.end - box.start, MAX_BLOCK_BYTES))


def _box(head: bytes, at: int, end: int) -> Box | None:
    if len(head) < 8 or at + 8 > end:
        return None
    length, header = int.from_bytes(head[:4], "big"), 8
    if length == 1 and len(head) == 16:
        length, header = int.from_bytes(head[8:16], "big"), 16
    elif length == 0:
        length = end - at
    if length < header:
        return None
    return Box(head[4:8], at + header, min(at + length, end))
