"""Where a TIFF ends: behind the last byte that any of its directories names."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from imgsearch.media.containers.header import FilePart, read_at

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_POINTERS = frozenset({330, 400, 34665, 34853, 40965})  # to further directories
_PARTS = {273: 279, 324: 325, 288: 289, 513: 514}  # offsets of strips, tiles, free space, a preview -> their lengths
_MAX_DIRECTORIES, _MAX_TAGS = 10_002, 4096


@dataclass(slots=True)
class TiffExtent:
    """``end``: the offset behind everything that is named; 0 if the directories are damaged, so that it is unknown.
    ``tags``: of the first directory, each with the bytes of its value."""

    end: int = 0
    tags: list[tuple[int, FilePart]] = field(default_factory=list)


def read_extent(stream: BinaryIO) -> TiffExtent:
    """Walk over all directories and those below them; 20 us each, and reading the lists of strips and tiles."""
    head = read_at(stream, 0, 16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 16:
        return TiffExtent()
    big = struct.unpack(order + "H", head[2:4])[0] == 43
    word, counter, size = ("Q", "Q", 20) if big else ("I", "H", 12)
    found, seen = TiffExtent(16 if big else 8), set[int]()
    waiting = [int(struct.unpack_from(order + word, head, 8 if big else 4)[0])]
    while waiting and len(seen) < _MAX_DIRECTORIES:
        offset = waiting.pop()
        if not offset or offset in seen:
            continue
        seen.add(offset)
        start = offset + struct.calcsize(counter)
        count_bytes = read_at(stream, offset, struct.calcsize(counter))
        count = struct.unpack(order + counter, count_bytes)[0] if len(count_bytes) == start - offset else 0
        table = read_at(stream, start, count * size + struct.calcsize(word)) if 0 < count <= _MAX_TAGS else b""
        if len(table) < count * size or not table:
            return TiffExtent()
        found.end = max(found.end, start + len(table))
        if len(table) == count * size + struct.calcsize(word):
            waiting.append(int(struct.unpack_from(order + word, table, count * size)[0]))
        entries = [_entry(order, big, table[at : at + size], start + at) for at in range(0, count * size, size)]
        found.end = max([found.end, *(part.offset + part.length for _, _, part in entries)])
        if len(seen) == 1:
            found.tags = [(tag, part) for tag, _, part in entries]
        values = {tag: (kind, part) for tag, kind, part in entries}
        for tag in _POINTERS & values.keys():
            waiting += _numbers(stream, order, *values[tag]).tolist()
        for tag, lengths in _PARTS.items():
            if tag in values and lengths in values:
                starts, sizes = (_numbers(stream, order, *values[each]) for each in (tag, lengths))
                least = min(len(starts), len(sizes))
                found.end = max(found.end, int((starts[:least] + sizes[:least]).max(initial=0)))
    return found


def _entry(order: str, big: bool, entry: bytes, at: int) -> tuple[int, int, FilePart]:
    """(tag, type, where its value lies) of an entry at ``at``."""
    tag, kind = struct.unpack(order + "HH", entry[:4])
    count = struct.unpack(order + ("Q" if big else "I"), entry[4 : 12 if big else 8])[0]
    inline = entry[12:] if big else entry[8:]
    length = count * _SIZES.get(kind, 0)
    if length <= len(inline):
        return tag, kind, FilePart(at + len(entry) - len(inline), length)
    return tag, kind, FilePart(int(struct.unpack(order + ("Q" if big else "I"), inline)[0]), length)


def _numbers(stream: BinaryIO, order: str, kind: int, part: FilePart) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The integers of a value; none of another type."""
    code = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}.get(kind)
    if code is None:
        return np.empty(0, np.int64)
    data = read_at(stream, part.offset, part.length)
    step = int(code[1])
    whole: np.ndarray[tuple[int], np.dtype[np.int64]] = np.frombuffer(
        data[: len(data) // step * step], order + code
    ).astype(np.int64)
    return whole
