"""Videos inside an image file: motion photos of Google and Xiaomi (named in the XMP), of Samsung (in a trailer), and of
Huawei and others (merely appended).

A video counts only if its bytes are found, because editors keep the XMP and drop the video. Sources:
developer.android.com "Motion Photo format 1.0", ExifTool's Samsung.pm (SEFT trailer).
"""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

from imgsearch.media.containers.header import read_at

_NAMES_FILM = re.compile(
    rb"""(?:MicroVideo|MotionPhoto)\s*(?:=\s*["']|>)\s*1|Semantic\s*(?:=\s*["']|>)\s*MotionPhoto""", re.IGNORECASE
)
_OFFSETS = re.compile(rb"""(?:MicroVideoOffset|Length)\s*(?:=\s*["']|>)\s*(\d{1,12})""")
_SAMSUNG_FILMS = (0x0A30, 0x0100)  # types in Samsung's directory: MotionPhoto_Data, SoundShot (a sound)
_TAIL_BYTES = 64
_PIECE_BYTES = 1024 * 1024
_OVERLAP = 32


def xmp_names_film(xmp: bytes) -> bool:
    """Whether the XMP says that a video follows the image."""
    return bool(_NAMES_FILM.search(xmp))


def find_film(stream: BinaryIO, start: int, size: int, xmp: bytes = b"") -> bool:
    """Whether an ISO video lies between ``start``, the end of a JPEG's header, and ``size``, the end of the file.
    ``xmp`` may name one. A file that ends as a JPEG should, and names no video, costs one read of 64 bytes."""
    tail = read_at(stream, max(start, size - _TAIL_BYTES), _TAIL_BYTES)
    if not xmp and tail.rstrip(b"\0\r\n ").endswith(b"\xff\xd9"):
        return False
    for length in {int(text) for text in _OFFSETS.findall(xmp)}:
        if 8 < length < size and begins_film(read_at(stream, size - length, 12)):
            return True
    if tail.endswith(b"SEFT") and not xmp:
        return _samsung_has_film(stream, size)
    return search_film(stream, start, size)


def begins_film(head: bytes) -> bool:
    """Whether these twelve bytes begin an ISO video: a small `ftyp` box with a brand of letters."""
    brand = head[8:12]
    return head[4:8] == b"ftyp" and 8 <= int.from_bytes(head[:4], "big") <= 512 and brand.isascii() and len(brand) == 4


def search_film(stream: BinaryIO, start: int, size: int) -> bool:
    """Whether a video begins anywhere after ``start``. Reads the rest of the file."""
    at, kept = start, b""
    stream.seek(start)
    while at < size and (piece := stream.read(_PIECE_BYTES)):
        at += len(piece)
        window = kept + piece
        place = window.find(b"ftyp", 4)
        while place >= 0:
            if begins_film(window[place - 4 : place + 8]):
                return True
            place = window.find(b"ftyp", place + 4)
        kept = window[-_OVERLAP:]
    return False


def _samsung_has_film(stream: BinaryIO, size: int) -> bool:
    """Read the directory at the end of the file: "SEFH", version, count, entries of (0, type, distance back, length),
    the directory's length, "SEFT"."""
    length = int.from_bytes(read_at(stream, size - 8, 4), "little")
    directory = read_at(stream, size - 8 - length, length)
    if not directory.startswith(b"SEFH"):
        return False
    count = int.from_bytes(directory[8:12], "little")
    entries = struct.iter_unpack("<HHII", directory[12 : 12 + 12 * min(count, len(directory) // 12 - 1)])
    return any(kind in _SAMSUNG_FILMS for _, kind, _, _ in entries)
