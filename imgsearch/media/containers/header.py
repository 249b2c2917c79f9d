"""What every container's header is read into, and the EXIF block as Pillow parses it."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import BinaryIO

from PIL import Image

#: Of metadata blocks (EXIF, XMP, ICC), more is left aside: a hostile length must cost nothing.
MAX_BLOCK_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FilePart:
    """One picture of a file that lies there as a file of its own: ``length`` bytes from ``offset`` on."""

    offset: int
    length: int


@dataclass(slots=True)
class Header:
    """A file's headers, read by one of this room's modules. ``space`` is "GRAY", "RGB", "CMYK" or "Lab"; ``cicp`` holds
    colour primaries and transfer characteristics (ITU-T H.273); ``extent`` is the largest width and height that
    decoding will need, (0, 0) where the module does not tell; ``parts`` the pictures of an MPO or PPM."""

    images: int = 1
    main: int = 0
    depth: int = 8
    has_alpha: bool = False
    lossless: bool | None = None
    raw: bool = False
    film: bool = False
    maps: int = 0
    space: str = "RGB"
    icc: bytes = b""
    cicp: tuple[int, int] | None = None
    gamma: float = 0.0  # of a PNG's gAMA chunk; 0 for none
    extent: tuple[int, int] = (0, 0)
    exif: Image.Exif = field(default_factory=Image.Exif)
    tables: dict[int, Image.Exif] = field(default_factory=dict)  # EXIF's sub-tables where they are blocks of their own
    xmp: bytes = b""
    iptc: bytes = b""
    words: list[str] = field(default_factory=list)  # comments and text chunks
    titles: list[str] = field(default_factory=list)  # those of them that are called so
    text_chunks: bool = False  # the words are a PNG's
    created: list[str] = field(default_factory=list)  # dates of making that a PNG's text tells
    more_exif: Image.Exif = field(default_factory=Image.Exif)  # of the page that is not the main one, for what it lacks
    software: str = ""
    parts: list[FilePart] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)  # pictures that are there and cannot be read, in words


def load_exif(data: bytes) -> Image.Exif:
    """EXIF bytes, with or without "Exif\\0\\0" before them; an empty block where they are damaged beyond reading."""
    exif = Image.Exif()
    try:
        exif.load(data)
    except Exception:  # noqa: BLE001  damaged EXIF raises a dozen kinds
        return Image.Exif()
    return exif


def load_exif_from(stream: BinaryIO, offset: int | None = None) -> Image.Exif:
    """The same of a TIFF-like file itself, from its first directory."""
    exif = Image.Exif()
    try:
        stream.seek(0)
        exif.load_from_fp(stream, offset)
    except Exception:  # noqa: BLE001  as above
        return Image.Exif()
    return exif


def read_at(stream: BinaryIO, offset: int, count: int) -> bytes:
    """Up to ``count`` bytes at ``offset``; fewer where the file ends before."""
    if not 0 <= offset < 1 << 62 or count <= 0:
        return b""
    stream.seek(offset)
    return stream.read(min(count, MAX_BLOCK_BYTES))


def stream_size(stream: BinaryIO) -> int:
    """Bytes in the stream; its position is restored."""
    here = stream.tell()
    size = stream.seek(0, io.SEEK_END)
    stream.seek(here)
    return size


def usual_depth(bits: int) -> int:
    """Bits a sample as they are counted here: 1, 2, 4, 8, 10, 12, 14, 16 or 32, the next larger one."""
    return next((depth for depth in (1, 2, 4, 8, 10, 12, 14, 16) if bits <= depth), 32)
