"""A PNG's depth, colour key and colour space, from the chunks before the pixels."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

_MAX_CHUNKS = 1000
_KEPT = {b"IHDR": 13, b"cICP": 4, b"gAMA": 4, b"cHRM": 32}


@dataclass(frozen=True, slots=True)
class PngColour:
    """``depth``: bits a sample as stored. ``cicp``: colour primaries and transfer characteristics. ``is_narrow``: black
    and white are 16 and 235 of 255, as in video. ``gamma``: 0 if absent. ``chromaticities``: cHRM's x and y of white,
    red, green and blue; empty if absent."""

    depth: int = 8
    is_grey: bool = False  # without alpha
    has_key: bool = False  # one colour or grey is transparent, or the palette has alpha
    cicp: tuple[int, int] | None = None
    is_narrow: bool = False
    has_profile: bool = False
    is_srgb: bool = False
    gamma: float = 0.0
    chromaticities: tuple[float, ...] = ()


def read_png_colour(stream: BinaryIO) -> PngColour:
    """Read the chunks before the first IDAT: 20 us."""
    found: dict[bytes, bytes] = {}
    at = 8
    for _ in range(_MAX_CHUNKS):
        stream.seek(at)
        head = stream.read(8)
        name = head[4:]
        if len(head) < 8 or name in (b"IDAT", b"IEND"):
            break
        length = int.from_bytes(head[:4], "big")
        found.setdefault(name, stream.read(length) if length == _KEPT.get(name) else b"")
        at += 12 + length
    return _colour_of(found)


def _colour_of(found: dict[bytes, bytes]) -> PngColour:
    header, codes, chromaticities = (found.get(name, b"") for name in (b"IHDR", b"cICP", b"cHRM"))
    return PngColour(
        depth=header[8] if header else 8,
        is_grey=header[9:10] == b"\0",
        has_key=b"tRNS" in found,
        cicp=(codes[0], codes[1]) if codes and codes[2] == 0 else None,
        is_narrow=bool(codes) and codes[2:] == b"\0\0",
        has_profile=b"iCCP" in found,
        is_srgb=b"sRGB" in found,
        gamma=int.from_bytes(found.get(b"gAMA", b""), "big") / 100_000,
        chromaticities=tuple(each / 100_000 for each in struct.unpack(">8I", chromaticities)) if chromaticities else (),
    )
