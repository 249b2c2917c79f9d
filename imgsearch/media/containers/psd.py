"""Headers of Photoshop documents (PSD and PSB): resources, and the place of the merged image, which programs without
layers show. Source: Adobe Photoshop File Formats Specification (2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from imgsearch.media.containers.header import MAX_BLOCK_BYTES, Header, load_exif, read_at, usual_depth

BITMAP, GREY, INDEXED, RGB, CMYK, MULTICHANNEL, DUOTONE, LAB = 0, 1, 2, 3, 4, 7, 8, 9
_COLOURS = {BITMAP: 1, GREY: 1, INDEXED: 1, RGB: 3, CMYK: 4, MULTICHANNEL: 1, DUOTONE: 1, LAB: 3}
_IPTC, _ICC, _VERSION, _EXIF, _XMP = 1028, 1039, 1057, 1058, 1060
_PATHS = range(2000, 2999)
_MAX_RESOURCES = 5000
_SPACES = {RGB: "RGB", INDEXED: "RGB", CMYK: "CMYK", LAB: "Lab"}


@dataclass(frozen=True, slots=True)
class Document:
    """``mode`` is Photoshop's number. ``data`` is the offset of the merged image, which begins with its compression.
    ``colours`` is the number of colour channels; they come first."""

    large: bool
    channels: int
    width: int
    height: int
    depth: int
    mode: int
    palette: bytes
    resources: dict[int, bytes]
    data: int
    layered: bool = True  # there are layers, or something else that other formats do not have
    clear: bool = False  # the first channel after the colours is the alpha of the merged image

    @property
    def colours(self) -> int:
        return min(_COLOURS.get(self.mode, 1), self.channels)

    @property
    def has_alpha(self) -> bool:
        return self.clear and self.mode in (GREY, RGB) and self.channels > _COLOURS[self.mode]

    @property
    def has_composite(self) -> bool:
        """False if the document was saved without "maximize compatibility", which leaves the merged image blank."""
        return self.resources.get(_VERSION, b"\0\0\0\0\1")[4:5] != b"\0"

    @property
    def icc(self) -> bytes:
        return self.resources.get(_ICC, b"")


def read_document(stream: BinaryIO) -> Document:
    """Raises ValueError if the bytes are no document or are truncated."""
    head = read_at(stream, 0, 26)
    if head[:4] != b"8BPS" or len(head) < 26:
        raise ValueError("no header")
    version, channels = int.from_bytes(head[4:6], "big"), int.from_bytes(head[12:14], "big")
    height, width = int.from_bytes(head[14:18], "big"), int.from_bytes(head[18:22], "big")
    depth, mode = int.from_bytes(head[22:24], "big"), int.from_bytes(head[24:26], "big")
    at = 26
    palette, at = _block(stream, at, 4)
    resources, at = _block(stream, at, 4)
    wide = 8 if version == 2 else 4
    size = read_at(stream, at, wide)
    if len(size) < wide or not 0 < channels <= 56:
        raise ValueError("cut off")
    # The layer count follows the lengths of the section and of the layers; the section may be empty.
    count = read_at(stream, at + 2 * wide, 2) if int.from_bytes(size, "big") > wide + 2 else b""
    clear = int.from_bytes(count, "big", signed=True) < 0
    at += wide + int.from_bytes(size, "big")
    layered = any(size)
    found = _resources(resources)
    return Document(version == 2, channels, width, height, depth, mode, palette, found, at, layered, clear)


def read_header(stream: BinaryIO) -> Header:
    """The facts that the catalog keeps. Raises ValueError."""
    document = read_document(stream)
    found = document.resources
    header = Header(depth=usual_depth(document.depth), lossless=True, space=_SPACES.get(document.mode, "GRAY"))
    header.extent = document.width, document.height
    header.icc = document.icc
    header.exif = load_exif(found[_EXIF]) if _EXIF in found else header.exif
    header.xmp = found.get(_XMP, b"")
    header.iptc = found.get(_IPTC, b"")
    if document.layered or document.channels != document.colours or any(each in _PATHS for each in found):
        header.maps, header.hidden = 1, ["layers are not compared"]
    return header


def _block(stream: BinaryIO, at: int, wide: int) -> tuple[bytes, int]:
    length = int.from_bytes(read_at(stream, at, wide), "big")
    return read_at(stream, at + wide, min(length, MAX_BLOCK_BYTES)), at + wide + length


def _resources(data: bytes) -> dict[int, bytes]:
    """The resource blocks: "8BIM", number, name, length, content."""
    found: dict[int, bytes] = {}
    at = 0
    for _ in range(_MAX_RESOURCES):
        if data[at : at + 4] not in (b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR") or at + 12 > len(data):
            break
        number = int.from_bytes(data[at + 4 : at + 6], "big")
        at += 7 + data[at + 6]
        at += at & 1
        length = int.from_bytes(data[at : at + 4], "big")
        found.setdefault(number, data[at + 4 : at + 4 + length])
        at += 4 + length + (length & 1)
    return found
