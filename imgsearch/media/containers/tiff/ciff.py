"""Canon's CRW files: a heap of directories (CIFF, "Specification on Image Data File", Canon 1997; tags as ExifTool
names them). No bytes raise an exception or cost more than a few hundred reads."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

from PIL import Image

from imgsearch.media.containers.header import Header, read_at, stream_size

_EXIF_IFD, _MAKE, _MODEL, _ORIENTATION, _TAKEN = 0x8769, 0x010F, 0x0110, 0x0112, 0x9003
_MODEL_NAMES, _TIME, _SHAPE = (
    0x080A,
    0x180E,
    0x1810,
)  # make and model; time, zone; width, height, aspect, rotation, bits
_WANTED = (_MODEL_NAMES, _TIME, _SHAPE)
_IN_ENTRY, _KIND, _TAG = 0x4000, 0x3800, 0x3FFF
_FOLDERS = (0x2800, 0x3000)
_MOST_ENTRIES, _MOST_FOLDERS, _MOST_BYTES, _DEEPEST = 1000, 50, 1024, 5
_OF_ROTATION = {0: 1, 90: 6, 180: 3, 270: 8, -90: 8}


def read_ciff(header: Header, stream: BinaryIO) -> bool:
    """Fill in the facts in the heap. Returns False if it cannot be read."""
    head = read_at(stream, 0, 14)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or head[6:] != b"HEAPCCDR":
        return False
    start = struct.unpack(f"{order}I", head[2:6])[0]
    heap = _Heap(stream, order)
    heap.read(start, stream_size(stream), 0)
    _keep(header, heap.found, order)
    return bool(heap.found)


class _Heap:
    """The wanted tags by number, each from where it was first met."""

    def __init__(self, stream: BinaryIO, order: str) -> None:
        self.found: dict[int, bytes] = {}
        self._stream, self._order = stream, order
        self._folders = 0

    def read(self, start: int, stop: int, depth: int) -> None:
        """Read a heap from ``start`` to before ``stop``. Its last four bytes give the offset of its directory."""
        self._folders += 1
        if depth > _DEEPEST or self._folders > _MOST_FOLDERS or stop - start < 6:
            return
        (at,) = self._numbers("I", stop - 4) or (stop,)
        (count,) = self._numbers("H", start + at) or (0,)
        for number in range(min(count, _MOST_ENTRIES)):
            place = start + at + 2 + 10 * number
            entry = self._numbers("HII", place)
            if not entry or place + 10 > stop:
                return
            self._read_entry(entry, place, start, stop, depth)

    def _read_entry(self, entry: tuple[int, ...], place: int, start: int, stop: int, depth: int) -> None:
        tag, size, offset = entry
        begin = start + offset
        if tag & _IN_ENTRY:
            if tag & _TAG in _WANTED:
                self.found.setdefault(tag & _TAG, read_at(self._stream, place + 2, 8))
        elif begin + size <= stop:
            if tag & _KIND in _FOLDERS:
                self.read(begin, begin + size, depth + 1)
            elif tag & _TAG in _WANTED:
                self.found.setdefault(tag & _TAG, read_at(self._stream, begin, min(size, _MOST_BYTES)))

    def _numbers(self, form: str, at: int) -> tuple[int, ...]:
        """Numbers in ``form`` at ``at``; () if the file has no such bytes."""
        layout = struct.Struct(self._order + form)
        data = read_at(self._stream, at, layout.size)
        return layout.unpack(data) if len(data) == layout.size else ()


def _keep(header: Header, found: dict[int, bytes], order: str) -> None:
    exif, details = Image.Exif(), Image.Exif()
    names = found.get(_MODEL_NAMES, b"").split(b"\0")
    for tag, name in zip((_MAKE, _MODEL), names, strict=False):
        if text := name.decode("latin-1").strip():
            exif[tag] = text
    if len(time := found.get(_TIME, b"")) >= 4 and (seconds := struct.unpack(f"{order}I", time[:4])[0]):
        # The camera's local time; its zone is not applied.
        taken = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        details[_TAKEN] = taken.strftime("%Y:%m:%d %H:%M:%S")
    if len(shape := found.get(_SHAPE, b"")) >= 16:
        width, height, _, rotation = struct.unpack(f"{order}IIfi", shape[:16])
        if rotation in _OF_ROTATION:
            exif[_ORIENTATION] = _OF_ROTATION[rotation]
        if 0 < width < 1 << 16 and 0 < height < 1 << 16:
            header.extent = width, height
    header.exif = exif
    if len(details):
        header.tables[_EXIF_IFD] = details
