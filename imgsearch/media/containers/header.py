"""The result of reading a container's header, and helpers to read one."""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass, field
from typing import BinaryIO

from PIL import Image

#: Longest metadata block (EXIF, XMP, ICC) that is read, so that a false length costs nothing.
MAX_BLOCK_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FilePart:
    """An image that is stored as a file of its own inside a file: ``length`` bytes from ``offset`` on."""

    offset: int
    length: int


@dataclass(slots=True)
class Header:
    """A file's headers, as read by a module of this package. ``space`` is "GRAY", "RGB", "CMYK" or "Lab". ``cicp``
    holds colour primaries and transfer characteristics (ITU-T H.273). ``extent`` is the largest width and height that
    decoding will need, (0, 0) if unknown. ``parts`` are the images of an MPO or PPM."""

    images: int = 1
    main: int = 0
    depth: int = 8
    has_alpha: bool = False
    lossless: bool | None = None
    raw: bool = False
    film: bool = False
    maps: int = 0
    map_parts: list[FilePart] = field(default_factory=list)  # where the maps lie; empty if that is unknown
    density: float = 0.0  # pixels an inch, where the container itself states them
    steps: int = 0  # the sum of the 64 steps of a JPEG's first table: the smaller, the less it is compressed
    palette: bytes = b""  # of a PNG: red, green and blue of each number
    plays: int = 0  # how often an animation is shown; 0 for ever
    space: str = "RGB"
    icc: bytes = b""
    cicp: tuple[int, int] | None = None
    gamma: float = 0.0  # from a PNG's gAMA chunk; 0 for none
    extent: tuple[int, int] = (0, 0)
    exif: Image.Exif = field(default_factory=Image.Exif)
    tables: dict[int, Image.Exif] = field(default_factory=dict)  # EXIF's sub-tables, if they are separate blocks
    xmp: bytes = b""
    iptc: bytes = b""
    words: list[str] = field(default_factory=list)  # comments and text chunks
    titles: list[str] = field(default_factory=list)  # comments and text chunks that are named a title
    text_chunks: bool = False  # whether ``words`` are text chunks of a PNG
    created: list[str] = field(default_factory=list)  # creation dates in a PNG's text chunks
    more_exif: Image.Exif = field(default_factory=Image.Exif)  # of the first page, for facts that the main page lacks
    software: str = ""
    parts: list[FilePart] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)  # images or channels that cannot be read, in words


def load_exif(data: bytes) -> Image.Exif:
    r"""EXIF from bytes, with or without "Exif\0\0" before them; empty if they are damaged."""
    exif = Image.Exif()
    try:
        exif.load(data)
    except Exception:  # noqa: BLE001  damaged EXIF raises a dozen kinds
        return Image.Exif()
    return exif


def load_exif_from(stream: BinaryIO, offset: int | None = None) -> Image.Exif:
    """EXIF of a TIFF-like file itself, from its first directory or the one at ``offset``."""
    exif = Image.Exif()
    try:
        stream.seek(0)
        exif.load_from_fp(stream, offset)
    except Exception:  # noqa: BLE001  as above
        return Image.Exif()
    return exif


def read_at(stream: BinaryIO, offset: int, count: int) -> bytes:
    """Up to ``count`` bytes at ``offset``; fewer at the end of the file."""
    if not 0 <= offset < 1 << 62 or count <= 0:
        return b""
    stream.seek(offset)
    return stream.read(min(count, MAX_BLOCK_BYTES))


def stream_size(stream: BinaryIO) -> int:
    """The number of bytes in the stream. Its position is restored."""
    here = stream.tell()
    size = stream.seek(0, io.SEEK_END)
    stream.seek(here)
    return size


def usual_depth(bits: int) -> int:
    """Bits a sample, rounded up to 1, 2, 4, 8, 10, 12, 14, 16 or 32."""
    return next((depth for depth in (1, 2, 4, 8, 10, 12, 14, 16) if bits <= depth), 32)


def western(data: bytes) -> str:
    """A text that names no encoding: UTF-8, or Windows's Western European code page."""
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(data)  # a character that is cut off at the end is dropped
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
