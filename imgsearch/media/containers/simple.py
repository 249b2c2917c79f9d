"""Headers of formats that hold one image and nothing about it: PCX, TGA, SGI, Sun raster, bare DIB, PAM."""

from __future__ import annotations

import re
from typing import BinaryIO

from imgsearch.media.containers.header import Header, read_at, usual_depth

_PAM_FIELD = re.compile(rb"(?m)^(DEPTH|MAXVAL)[ \t]+(\d{1,5})\b")


def read_pcx(stream: BinaryIO) -> Header:
    """Raises ValueError for a truncated header."""
    _head(stream, 128)
    return Header(lossless=True)


def read_tga(stream: BinaryIO) -> Header:
    """Raises ValueError for a truncated header."""
    head = _head(stream, 18)
    header = Header(lossless=True, has_alpha=bool(head[17] & 15))
    header.space = "GRAY" if head[2] in (3, 11) else "RGB"
    return header


def read_sgi(stream: BinaryIO) -> Header:
    """Raises ValueError for a truncated header."""
    head = _head(stream, 12)
    channels = int.from_bytes(head[10:12], "big") if head[5] > 2 else 1
    return Header(
        lossless=True,
        depth=8 * head[3] if head[3] in (1, 2) else 8,
        has_alpha=channels in (2, 4),
        space="RGB" if channels >= 3 else "GRAY",
    )


def read_sun(stream: BinaryIO) -> Header:
    """Raises ValueError for a truncated header."""
    _head(stream, 32)
    return Header(lossless=True)


def read_dib(stream: BinaryIO) -> Header:
    """Raises ValueError for a truncated header."""
    head = _head(stream, 16)
    if int.from_bytes(head[:4], "little") < 40:
        return Header(lossless=True)
    data = read_at(stream, 0, 124)
    bits, compression = int.from_bytes(data[14:16], "little"), int.from_bytes(data[16:20], "little")
    fields = bits in (16, 32) and compression in (3, 6)
    return Header(lossless=True, depth=1 if bits == 1 else 8, has_alpha=fields and any(data[52:56]))


def read_pam(stream: BinaryIO) -> Header:
    """PAM, and PFM, which holds floats. Raises ValueError for an unreadable header."""
    head = _head(stream, 8)
    if head[1:2] in b"Ff":
        return Header(depth=32, lossless=True, space="RGB" if head[1:2] == b"F" else "GRAY")
    fields = {name: int(value) for name, value in _PAM_FIELD.findall(read_at(stream, 0, 4096))}
    channels, highest = fields.get(b"DEPTH", 0), fields.get(b"MAXVAL", 0)
    if not channels or not highest:
        raise ValueError("no header")
    header = Header(depth=usual_depth(highest.bit_length()), has_alpha=channels in (2, 4), lossless=True)
    header.space = "RGB" if channels >= 3 else "GRAY"
    if channels > 4:
        header.maps, header.hidden = 1, ["channels that are neither colour nor transparency"]
    return header


def _head(stream: BinaryIO, least: int) -> bytes:
    data = read_at(stream, 0, least)
    if len(data) < least:
        raise ValueError("no header")
    return data
