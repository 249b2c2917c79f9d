"""The `meta` box of HEIF and AVIF (ISO/IEC 23008-12): items, their references, properties and bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from imgsearch.media.containers.boxes import Box, inner_boxes
from imgsearch.media.containers.header import read_at

_MAX_ITEMS = 100_000


class ByteCursor:
    """Reads big-endian numbers in sequence. Past the end it gives zeros and ``spent`` is true."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    @property
    def spent(self) -> bool:
        return self.at >= len(self.data)

    def take(self, count: int) -> int:
        value = int.from_bytes(self.data[self.at : self.at + count], "big")
        self.at += count
        return value

    def text(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]

    def line(self) -> bytes:
        """The bytes up to the next NUL."""
        stop = self.data.find(b"\0", self.at)
        stop = len(self.data) if stop < 0 else stop
        found, self.at = self.data[self.at : stop], stop + 1
        return found


@dataclass(slots=True)
class Item:
    """One item: the four letters of its type, and the content type if that is `mime`."""

    number: int
    kind: bytes
    hidden: bool
    content_type: bytes = b""
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)  # (name, content) in the order of the file
    extents: list[tuple[bool, int, int]] = field(default_factory=list)  # (in the idat box?, offset, length)

    def property(self, name: bytes) -> bytes:
        return next((content for kind, content in self.properties if kind == name), b"")


@dataclass(slots=True)
class Items:
    """All items of a `meta` box by number, the primary item's number, and references as (kind, from, to)."""

    primary: int = 0
    by_number: dict[int, Item] = field(default_factory=dict)
    references: list[tuple[bytes, int, tuple[int, ...]]] = field(default_factory=list)
    local_data: bytes = b""

    def sources(self, kind: bytes, target: int | None = None) -> set[int]:
        """The items that refer to ``target`` (None: to anything) by this kind of reference."""
        return {at for name, at, to in self.references if name == kind and (target is None or target in to)}

    def targets(self, kind: bytes, source: int) -> list[int]:
        return [each for name, at, to in self.references if name == kind and at == source for each in to]

    def content(self, stream: BinaryIO, item: Item) -> bytes:
        """An item's bytes, at most 16 MiB of each extent."""
        parts = []
        for local, offset, length in item.extents[:64]:
            parts.append(self.local_data[offset : offset + length] if local else read_at(stream, offset, length))
        return b"".join(parts)


def read_items(meta: bytes) -> Items:
    """Parse the content of a `meta` box. Damaged parts are left out."""
    items = Items()
    boxes = {box.name: box for box in inner_boxes(meta, 4)}
    for name, read in (("iinf", _read_infos), ("iloc", _read_places), ("iref", _read_references)):
        box = boxes.get(name.encode())
        if box is not None:
            read(items, meta[box.start : box.end])
    if b"pitm" in boxes:
        cursor = ByteCursor(meta[boxes[b"pitm"].start : boxes[b"pitm"].end])
        items.primary = cursor.take(2 if cursor.take(4) >> 24 == 0 else 4)
    if b"idat" in boxes:
        items.local_data = meta[boxes[b"idat"].start : boxes[b"idat"].end]
    if b"iprp" in boxes:
        _read_properties(items, meta, boxes[b"iprp"])
    return items


def _read_infos(items: Items, data: bytes) -> None:
    start = 6 if data[:1] == b"\0" else 8
    for box in inner_boxes(data, start):
        cursor = ByteCursor(data[box.start : box.end])
        head = cursor.take(4)
        if box.name != b"infe" or head >> 24 < 2:
            continue
        number = cursor.take(2 if head >> 24 == 2 else 4)
        cursor.take(2)
        item = Item(number, cursor.text(4), bool(head & 1))
        cursor.line()
        item.content_type = cursor.line() if item.kind == b"mime" else b""
        items.by_number[number] = item


def _read_places(items: Items, data: bytes) -> None:
    cursor = ByteCursor(data)
    version, sizes = cursor.take(4) >> 24, cursor.take(2)
    offset_size, length_size, base_size, index_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15
    wide = 4 if version >= 2 else 2
    for _ in range(min(cursor.take(wide), _MAX_ITEMS)):
        if cursor.spent:
            return
        item = items.by_number.get(cursor.take(wide))
        local = cursor.take(2) & 15 == 1 if version >= 1 else False
        cursor.take(2)
        base = cursor.take(base_size)
        for _ in range(cursor.take(2)):
            if cursor.spent:
                return
            cursor.take(index_size if version >= 1 else 0)
            offset, length = cursor.take(offset_size), cursor.take(length_size)
            if item is not None:
                item.extents.append((local, base + offset, length))


def _read_references(items: Items, data: bytes) -> None:
    wide = 2 if data[:1] == b"\0" else 4
    for box in inner_boxes(data, 4):
        cursor = ByteCursor(data[box.start : box.end])
        source = cursor.take(wide)
        count = min(cursor.take(2), (box.end - box.start) // wide)
        items.references.append((box.name, source, tuple(cursor.take(wide) for _ in range(count))))


def _read_properties(items: Items, meta: bytes, iprp: Box) -> None:
    properties: list[tuple[bytes, bytes]] = []
    for box in inner_boxes(meta, iprp.start, iprp.end):
        if box.name == b"ipco":
            inner = inner_boxes(meta, box.start, box.end)
            properties += [(each.name, meta[each.start : each.end]) for each in inner]
    for box in inner_boxes(meta, iprp.start, iprp.end):
        if box.name == b"ipma":
            for number, index in _associations(ByteCursor(meta[box.start : box.end])):
                item = items.by_number.get(number)
                if item is not None and 0 < index <= len(properties):
                    item.properties.append(properties[index - 1])


def _associations(cursor: ByteCursor) -> Iterator[tuple[int, int]]:
    head = cursor.take(4)
    wide, index_wide = (2 if head >> 24 == 0 else 4), (2 if head & 1 else 1)
    for _ in range(min(cursor.take(4), _MAX_ITEMS)):
        if cursor.spent:
            return
        number = cursor.take(wide)
        for _ in range(cursor.take(1)):
            yield number, cursor.take(index_wide) & (0x7FFF if index_wide == 2 else 0x7F)
