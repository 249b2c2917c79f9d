"""Headers of PNG and APNG. Chunks may follow the pixels (PNG third edition, W3C)."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from imgsearch.media.containers.film import begins_film
from imgsearch.media.containers.header import MAX_BLOCK_BYTES, Header, load_exif, read_at, western

_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_KEPT = frozenset(
    {b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"sRGB", b"gAMA", b"cICP", b"pHYs", b"acTL", b"fcTL", b"eXIf", *_TEXTS}
)
_MAX_CHUNKS = 200_000
_MAX_TEXTS = 64
_MAX_INFLATED = 4 * 1024 * 1024
_GREY, _PALETTE, _ALPHA = (0, 4), 3, (4, 6)
_RAW_PROFILE = re.compile(r"raw profile type (exif|APP1|iptc|8bim|xmp)", re.IGNORECASE)
_EXIF_HEADS = (b"Exif\0\0", b"II*\0", b"MM\0*")
_XMP_KEY = "XML:com.adobe.xmp"
# Keywords for the date of the image instead of the file: PNG's own, and those of EXIF that ImageMagick copies.
_CREATED = re.compile(r"creation[ _]?time|(exif:)?date[ _]?time[ _]?original|(xmp:)?create[ _]?date", re.IGNORECASE)
# Keywords under which programs describe themselves or the file.
_NO_WORDS = re.compile(r"software|creation time|date:|exif:|png:|icc:|signature|thumb::|xmp:|tiff:|dpi", re.IGNORECASE)


def read_header(stream: BinaryIO) -> Header:
    """Walk over all chunks and read the small ones. 0.1 ms, and 1 us for each IDAT chunk. Raises ValueError if the
    first chunk is not IHDR."""
    header, colour_type, frames, before_pixels = Header(lossless=True, depth=0), 0, 0, True
    first_is_frame, plain, texts = False, False, 0
    for name, data, end in _chunks(stream):
        if name == b"IHDR" and len(data) == 13:
            header.extent = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")
            colour_type = data[9]
            header.depth = 8 if colour_type == _PALETTE else data[8]
            header.has_alpha = colour_type in _ALPHA
            header.space = "GRAY" if colour_type in _GREY else "RGB"
        elif not header.depth:
            break
        elif name == b"acTL" and before_pixels:
            announced, header.plays = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")
            frames = -1 if frames or not 0 < announced < 1 << 31 else announced  # as readers take it
        elif name == b"fcTL":
            first_is_frame = first_is_frame or before_pixels
        elif name == b"IDAT":
            before_pixels = False
        elif name == b"IEND":
            header.film = begins_film(read_at(stream, end, 12))
        elif name == b"sRGB":
            plain = True
        elif name == b"PLTE":
            header.palette = data if colour_type == _PALETTE else b""
        elif name not in _TEXTS:
            _keep(header, name, data)
        elif (texts := texts + 1) <= _MAX_TEXTS:
            _keep_text(header, *_text(name, data))
    if not header.depth:
        raise ValueError("no image header")
    if plain:
        header.gamma = 0.0
    header.images = frames + (not first_is_frame) if frames > 0 else 1
    return header


def walk_chunks(stream: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """(name, offset of its content, length) of each chunk up to IEND, nothing of it read."""
    at = 8
    for _ in range(_MAX_CHUNKS):
        head = read_at(stream, at, 8)
        if len(head) < 8:
            return
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        yield name, at + 8, length
        at += 12 + length
        if name == b"IEND":
            return


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, bytes, int]]:
    """(name, content if it is needed, offset after the chunk)."""
    at = 8
    for _ in range(_MAX_CHUNKS):
        stream.seek(at)
        head = stream.read(8)
        if len(head) < 8:
            return
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        at += 12 + length
        yield name, stream.read(length) if name in _KEPT and length <= MAX_BLOCK_BYTES else b"", at
        if name == b"IEND":
            return


def _keep(header: Header, name: bytes, data: bytes) -> None:
    if name == b"tRNS":
        header.has_alpha = True
    elif name == b"iCCP":
        header.icc = _inflate(data.partition(b"\0")[2][1:])
    elif name == b"cICP" and len(data) == 4:
        header.cicp = data[0], data[1]
    elif name == b"pHYs" and data[8:9] == b"\1":
        header.density = int.from_bytes(data[:4], "big") * 0.0254  # a metre -> an inch
    elif name == b"gAMA":
        header.gamma = int.from_bytes(data, "big") / 100_000
    elif name == b"eXIf":
        header.exif = load_exif(data)


def _text(name: bytes, data: bytes) -> tuple[str, bytes]:
    key, _, rest = data.partition(b"\0")
    if name == b"zTXt":
        rest = _inflate(rest[1:])
    elif name == b"iTXt":
        packed, rest = rest[:1] == b"\1", rest[2:].partition(b"\0")[2].partition(b"\0")[2]
        rest = _inflate(rest) if packed else rest
    return key.decode("latin-1"), rest


def _keep_text(header: Header, key: str, text: bytes) -> None:
    """Keep XMP, the metadata that ImageMagick writes as hexadecimal text, and the words of people and programs."""
    profile = _RAW_PROFILE.fullmatch(key)
    if key == _XMP_KEY:
        header.xmp = text
    elif profile is not None:
        data, kind = _unhex(text), profile[1].lower()
        if kind in ("exif", "app1") and data.startswith(_EXIF_HEADS) and not len(header.exif):
            header.exif = load_exif(data)
        elif kind in ("xmp", "app1") and not header.xmp:
            header.xmp = data.partition(b"\0")[2] if data.startswith(b"http://ns.adobe.com/xap") else data
        elif kind in ("iptc", "8bim"):
            header.iptc = header.iptc or data
    elif key.lower() == "software":
        header.software = text.decode("utf-8", "replace")
    elif _CREATED.fullmatch(key):
        header.created.append(text[:100].decode("utf-8", "replace"))
    elif not _NO_WORDS.match(key):
        header.words.append(western(text[:4096]))  # iTXt is UTF-8, and many programs write UTF-8 into tEXt, too
        header.titles += header.words[-1:] if key.lower() == "title" else []
        header.text_chunks = True


def _unhex(text: bytes) -> bytes:
    """ "\\nexif\\n     138\\n45786966..." """
    lines = text.strip().split(b"\n", 2)
    try:
        return bytes.fromhex(lines[2].decode("ascii")) if len(lines) == 3 else b""
    except ValueError:
        return b""


def _inflate(data: bytes) -> bytes:
    """Inflate at most the limit, so that a bomb costs nothing."""
    try:
        return zlib.decompressobj().decompress(data, _MAX_INFLATED)
    except zlib.error:
        return b""
