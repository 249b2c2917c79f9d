"""The layout of an uncompressed HEIF image: `uncC`, `cmpd`, `cmpC` and `icef` (ISO/IEC 23001-17)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from imgsearch.media.containers.heif.items import ByteCursor, Item

MONO, LUMA, BLUE_DIFFERENCE, RED_DIFFERENCE, RED, GREEN, BLUE, ALPHA = range(8)
PADDING = 12
BY_COMPONENT, BY_PIXEL, MIXED, BY_ROW, BY_TILE_COMPONENT, SEVERAL_LUMA = range(6)
_SAMPLINGS = {0: (1, 1), 1: (2, 1), 2: (2, 2), 3: (4, 1)}
_PROFILES = {b"rgb3": (RED, GREEN, BLUE), b"rgba": (RED, GREEN, BLUE, ALPHA), b"abgr": (ALPHA, BLUE, GREEN, RED)}
_MAX_COMPONENTS, _MAX_UNITS = 16, 1_000_000
_OTHER_BYTES = 0x8000  # component types from here on have a name


@dataclass(frozen=True, slots=True)
class Component:
    """``kind`` is one of the constants above. ``step`` is the number of bits from one sample to the next in a component
    stored alone."""

    kind: int
    bits: int
    format: int  # 0 unsigned, 1 float, 2 complex
    align: int  # bytes, 0 for packed

    @property
    def step(self) -> int:
        """Bits that a sample takes."""
        return 8 * self.align or self.bits


@dataclass(frozen=True, slots=True)
class Layout:
    """``sampling``: how many pixels across and down share one sample of colour difference."""

    components: tuple[Component, ...]
    sampling: tuple[int, int]
    interleave: int
    block: int
    little_endian: bool
    pixel_bytes: int
    row_align: int
    tile_align: int
    columns: int
    rows: int


@dataclass(frozen=True, slots=True)
class Packing:
    """How the bytes are compressed: the method's four letters, and (offset, length) of each unit; no units mean a
    single one."""

    method: bytes
    units: tuple[tuple[int, int], ...]


def read_layout(item: Item) -> Layout:
    """Raises ValueError if the boxes are missing or invalid."""
    data = item.property(b"uncC")
    if len(data) < 8:
        raise ValueError("no description of the samples")
    if data[0] == 1:
        return _of_profile(data[4:8])
    cursor = ByteCursor(data, 8)
    count = cursor.take(4)
    if not 0 < count <= _MAX_COMPONENTS:
        raise ValueError(f"{count} components")
    kinds = list(_kinds(item.property(b"cmpd")))
    components = []
    for _ in range(count):
        place, bits, form, align = cursor.take(2), cursor.take(1) + 1, cursor.take(1), cursor.take(1)
        if place >= len(kinds) or (align and 8 * align < bits):
            raise ValueError("its components contradict each other")
        components.append(Component(kinds[place], bits, form, align))
    sampling, interleave, block, flags = (cursor.take(1) for _ in range(4))
    pixel, row_align, tile_align = (cursor.take(4) for _ in range(3))
    columns, rows = cursor.take(4) + 1, cursor.take(4) + 1
    if sampling not in _SAMPLINGS or interleave > SEVERAL_LUMA or columns * rows > _MAX_UNITS:
        raise ValueError("its layout is not one of the standard's")
    shared, little = _SAMPLINGS[sampling], bool(flags & 0x80)
    return Layout(tuple(components), shared, interleave, block, little, pixel, row_align, tile_align, columns, rows)


def _of_profile(name: bytes) -> Layout:
    if name not in _PROFILES:
        raise ValueError(f"the profile {name.decode('latin-1')!r}")
    components = tuple(Component(kind, 8, 0, 0) for kind in _PROFILES[name])
    return Layout(components, (1, 1), BY_PIXEL, 0, False, 0, 0, 0, 1, 1)


def _kinds(data: bytes) -> Iterator[int]:
    cursor = ByteCursor(data)
    for _ in range(min(cursor.take(4), _MAX_COMPONENTS)):
        if cursor.spent:
            return
        kind = cursor.take(2)
        if kind >= _OTHER_BYTES:
            cursor.line()
        yield kind


def read_packing(item: Item) -> Packing | None:
    """The compression; None if the samples are not compressed. Raises ValueError for invalid units."""
    data, places = item.property(b"cmpC"), item.property(b"icef")
    if len(data) < 8:
        return None
    units: list[tuple[int, int]] = []
    if places:
        cursor = ByteCursor(places, 4)
        codes = cursor.take(1)
        wide, long = (0, 2, 3, 4, 8)[min(codes >> 5, 4)], (1, 2, 3, 4, 8)[min(codes >> 2 & 7, 4)]
        at, count = 0, cursor.take(4)
        if count > _MAX_UNITS or count * (wide + long) > len(places):
            raise ValueError(f"{count} units")
        for _ in range(count):
            start = cursor.take(wide) if wide else at
            length = cursor.take(long)
            units.append((start, length))
            at = start + length
    return Packing(data[4:8], tuple(units))
