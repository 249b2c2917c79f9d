"""Headers of GIF and WebP: frames, transparency, and the metadata between the frames."""

from __future__ import annotations

from typing import BinaryIO

from imgsearch.media.containers.film import begins_film
from imgsearch.media.containers.header import (
    MAX_BLOCK_BYTES,
    FilePart,
    Header,
    load_exif,
    read_at,
    stream_size,
    western,
)
from imgsearch.media.limits import webp_canvas

_MAX_CHUNKS = 100_000
_MAX_FRAMES = 10_002  # dedup compares no more frames than this
_GIF_XMP, _GIF_ICC = b"XMP DataXMP", b"ICCRGBG1012"
_GIF_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")  # how often the animation is repeated after it was shown once


def read_gif(stream: BinaryIO) -> Header:
    """Walk over all blocks of the file. 10 ms for 10 MB. Raises ValueError if there is no frame."""
    data = read_at(stream, 0, 13)
    header = Header(images=0, lossless=True, plays=1)
    header.extent = int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    stream.seek(0)
    data = stream.read()
    at = 13 + (3 << (data[10] & 7) + 1 if len(data) > 12 and data[10] & 0x80 else 0)
    while at < len(data) and header.images < _MAX_FRAMES:
        kind = data[at]
        if kind == 0x3B:
            break
        if kind == 0x21:
            at = _read_extension(header, data, at)
        elif kind == 0x2C and at + 10 < len(data):
            left, top, width, height = (
                int.from_bytes(data[at + 1 + 2 * n : at + 3 + 2 * n], "little") for n in range(4)
            )
            header.extent = max(header.extent[0], left + width), max(header.extent[1], top + height)
            flags = data[at + 9]
            header.images += 1
            at = _skip(data, at + 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0))
        else:
            at += 1  # a stray byte: readers look for the next block
    if not header.images:
        raise ValueError("no frame")
    return header


def gif_end(stream: BinaryIO) -> tuple[int, list[tuple[bytes, FilePart]]]:
    """The offset behind the end of a GIF (0 if it was cut off), and the application extensions that `read_gif` does not
    read, by name."""
    stream.seek(0)
    data = stream.read()
    at = 13 + (3 << (data[10] & 7) + 1 if len(data) > 12 and data[10] & 0x80 else 0)
    found: list[tuple[bytes, FilePart]] = []
    while at < len(data) and data[at] != 0x3B:
        if data[at] == 0x21:
            name, end = data[at + 3 : at + 14], _skip(data, at + 2)
            if data[at + 1 : at + 2] == b"\xff" and name not in (_GIF_XMP, _GIF_ICC, *_GIF_LOOPS):
                found.append((name, FilePart(at + 14, end - at - 14)))
            at = end
        elif data[at] == 0x2C and at + 10 < len(data):
            at = _skip(data, at + 11 + (3 << (data[at + 9] & 7) + 1 if data[at + 9] & 0x80 else 0))
        else:
            at += 1
    return (at + 1 if at < len(data) else 0), found


def _read_extension(header: Header, data: bytes, at: int) -> int:
    """Read the extension block at ``at``. Returns the offset after it."""
    label, first = data[at + 1 : at + 2], data[at + 2 : at + 3]
    content = at + 3 + (first[0] if first else 0)
    name = data[at + 3 : content]
    end = _skip(data, at + 2)
    if label == b"\xf9" and name[:1] and name[0] & 1:
        header.has_alpha = True
    elif label == b"\xfe":
        text = western(_joined(data, at + 2)[:4096]).strip("\0 \r\n\t")
        header.words += [text] if text and len(header.words) < 100 else []
    elif label == b"\xff" and name == _GIF_XMP:  # plain text instead of sub-blocks; the 258 bytes after it end the walk
        header.xmp = data[content : min(end, content + MAX_BLOCK_BYTES)].partition(b"\x01\xff\xfe")[0]
    elif label == b"\xff" and name == _GIF_ICC:
        header.icc = _joined(data, content)
    elif label == b"\xff" and name in _GIF_LOOPS and data[content : content + 2] == b"\x03\x01":
        repeats = int.from_bytes(data[content + 2 : content + 4], "little")
        header.plays = repeats + 1 if repeats else 0
    return end


def _skip(data: bytes, at: int) -> int:
    """The offset after the sub-blocks that begin at ``at``."""
    size = len(data)
    while at < size:
        length = data[at]
        at += 1 + length
        if not length:
            break
    return at


def _joined(data: bytes, at: int) -> bytes:
    parts: list[bytes] = []
    while at < len(data) and data[at] and len(parts) < MAX_BLOCK_BYTES // 255:
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return b"".join(parts)


def read_webp(stream: BinaryIO) -> Header:
    """Walk over the chunks (RFC 9649). Raises ValueError if there is no image."""
    header = Header(images=0, extent=webp_canvas(read_at(stream, 0, 64)))
    size = stream_size(stream)
    end = min(8 + int.from_bytes(read_at(stream, 4, 4), "little"), size)
    lossless = set[bool]()
    at = 12
    for _ in range(_MAX_CHUNKS):
        head = read_at(stream, at, 8 + 24)
        if len(head) < 8 or at >= end:
            break
        name, length = head[:4], int.from_bytes(head[4:8], "little")
        if name == b"VP8X":
            header.has_alpha = header.has_alpha or bool(head[8] & 0x10) if len(head) > 8 else False
        elif name == b"ANIM":
            header.plays = int.from_bytes(head[12:14], "little")
        elif name in (b"VP8 ", b"VP8L"):
            header.images += 1
            lossless.add(name == b"VP8L")
            header.has_alpha = header.has_alpha or (name == b"VP8L" and len(head) > 12 and bool(head[12] & 0x10))
        elif name == b"ANMF":
            header.images += 1
            _read_frame(stream, header, at + 24, at + 8 + length, lossless)
        elif name in (b"ICCP", b"EXIF", b"XMP "):
            _keep(header, name, read_at(stream, at + 8, length))
        at += 8 + length + (length & 1)
    if not header.images:
        raise ValueError("no picture in it")
    header.lossless = lossless == {True}
    header.film = begins_film(read_at(stream, end, 12))
    return header


def _read_frame(stream: BinaryIO, header: Header, at: int, end: int, lossless: set[bool]) -> None:
    """Read the chunks of one frame of an animation: perhaps an alpha chunk, then the image."""
    for _ in range(4):
        head = read_at(stream, at, 13)
        if at >= end or len(head) < 8:
            return
        name, length = head[:4], int.from_bytes(head[4:8], "little")
        if name in (b"VP8 ", b"VP8L"):
            lossless.add(name == b"VP8L")
            return
        header.has_alpha = header.has_alpha or name == b"ALPH"
        at += 8 + length + (length & 1)


def _keep(header: Header, name: bytes, content: bytes) -> None:
    if name == b"ICCP":
        header.icc = content
    elif name == b"EXIF":
        header.exif = load_exif(content)
    else:
        header.xmp = content
