"""Alternative texts in the XMP packets of JPEG, PNG and WebP files. Nothing is encoded again: every other segment or
chunk stays byte by byte, and so does every sample."""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from imgsearch.captions.alt_text import described_packet
from imgsearch.media.limits import webp_canvas
from imgsearch.media.sniff import HEAD_BYTES, sniff

Change = Callable[[bytes | None], tuple[bytes | None, str]]
"""The packet that a file has, or None -> the new one, or None and the reason why it stays."""

_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_LONGEST_IN_JPEG = 0xFFFF - 2 - len(_JPEG_XMP)
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_PNG_XMP = b"XML:com.adobe.xmp"
_WEBP_ALPHA, _WEBP_XMP = 0x10, 0x04

DAMAGED = "it is damaged"
_CREDENTIALS = "it has content credentials (C2PA) or a signature, which a change would break"
_SEVERAL = "it holds several pictures (MPF), whose places a change would move"
_TWO_PACKETS = "it has more than one XMP packet"
_TOO_LONG = "its XMP is too long for one more text"
_IMAGEMAGICK = "its XMP is in ImageMagick's own form"


class _Left(Exception):  # never leaves this file
    """The file stays; the text says why."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A segment or chunk from ``start`` to ``end``; its content begins at ``body`` and ends at ``body_end``."""

    name: bytes
    start: int
    body: int
    body_end: int
    end: int

    def of(self, content: bytes) -> bytes:
        return content[self.body : self.body_end]


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """What is to happen to an image file. ``content``: its new bytes, None where it is left as it is, for a ``reason``;
    ``sha256`` (hex) of its bytes now."""

    image: Path
    text: str
    content: bytes | None
    sha256: str = ""
    reason: str = ""


def plan_image(image: Path, text: str, content_hash: str) -> ImagePlan:
    """How ``text`` gets into the XMP of ``image``, whose bytes have that sha256 (hex) in the library; an alternative
    text that is there stays. Reads the file, writes nothing."""
    try:
        if image.is_symlink():
            return ImagePlan(image, text, None, reason=f"it is a symbolic link to {os.path.realpath(image)}")
        before = image.read_bytes()
    except OSError as exc:
        return ImagePlan(image, text, None, reason=f"it cannot be read: {exc.strerror}")
    digest = hashlib.sha256(before).hexdigest()
    if digest != content_hash:
        return ImagePlan(image, text, None, digest, "it has changed since it was indexed: `imgsearch index` reads it")
    content, reason = with_packet(before, lambda packet: described_packet(packet, text))
    return ImagePlan(image, text, content, digest, reason)


def with_packet(content: bytes, change: Change) -> tuple[bytes | None, str]:
    """A file's bytes with the packet that ``change`` makes, or None and the reason why they stay. Whatever the bytes,
    no exception."""
    kind = sniff(content[:HEAD_BYTES], "")
    writer = _WRITERS.get(kind.format)
    if writer is None:
        if not kind.format:
            return None, f"it is {kind.description}"
        return None, f"no XMP is written into {kind.description}: --xmp writes a sidecar"
    try:
        return writer(content, change), ""
    except _Left as left:
        return None, str(left)
    except (IndexError, ValueError, struct.error, zlib.error):
        return None, DAMAGED


def _changed(before: bytes | None, change: Change) -> bytes:
    packet, reason = change(before)
    if packet is None:
        raise _Left(reason)
    return packet


def _replaced(content: bytes, old: Sequence[_Part], place: int, new: bytes) -> bytes:
    """``new`` in place of the one packet that is there, or at ``place``."""
    if old:
        return content[: old[0].start] + new + content[old[0].end :]
    return content[:place] + new + content[place:]


# JPEG: markers and lengths up to the first scan (ISO/IEC 10918-1, annex B).


def _write_jpeg(content: bytes, change: Change) -> bytes:
    segments = list(_segments(content))
    if any(each.name == b"\xe2" and each.of(content).startswith(b"MPF\0") for each in segments):
        raise _Left(_SEVERAL)
    if any(each.name == b"\xeb" and b"jumb" in each.of(content)[:64] for each in segments):
        raise _Left(_CREDENTIALS)
    old = [each for each in segments if each.name == b"\xe1" and each.of(content).startswith(_JPEG_XMP)]
    if len(old) > 1:
        raise _Left(_TWO_PACKETS)
    packet = _changed(old[0].of(content)[len(_JPEG_XMP) :] if old else None, change)
    if len(packet) > _LONGEST_IN_JPEG:
        raise _Left(_TOO_LONG)
    place = 2  # behind JFIF and EXIF, which have to come first
    for each in segments:
        if each.name not in (b"\xe0", b"\xe1"):
            break
        place = each.end
    new = b"\xff\xe1" + struct.pack(">H", 2 + len(_JPEG_XMP) + len(packet)) + _JPEG_XMP + packet
    return _replaced(content, old, place, new)


def _segments(content: bytes) -> Iterator[_Part]:
    at = 2
    while True:
        start = at
        if content[at] != 0xFF:
            raise ValueError
        while content[at] == 0xFF:
            at += 1
        marker = content[at]
        at += 1
        if marker == 0xDA:
            return
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            continue
        length = int.from_bytes(content[at : at + 2], "big")
        if marker in (0x00, 0xD8, 0xD9) or length < 2 or at + length > len(content):
            raise ValueError
        yield _Part(bytes([marker]), start, at + 2, at + length, at + length)
        at += length


# PNG: chunks with their checksums (ISO/IEC 15948).


def _write_png(content: bytes, change: Change) -> bytes:
    chunks = list(_png_chunks(content))
    if not chunks or chunks[0].name != b"IHDR" or chunks[-1].name != b"IEND":
        raise ValueError
    if any(each.name in (b"caBX", b"dSIG") for each in chunks):
        raise _Left(_CREDENTIALS)
    texts = [each for each in chunks if each.name in (b"iTXt", b"tEXt", b"zTXt")]
    if any(each.of(content).startswith(b"Raw profile type xmp\0") for each in texts):
        raise _Left(_IMAGEMAGICK)
    old = [each for each in texts if each.of(content).startswith(_PNG_XMP + b"\0")]
    if len(old) > 1:
        raise _Left(_TWO_PACKETS)
    packet = _changed(_png_packet(old[0].of(content)) if old else None, change)
    body = _PNG_XMP + b"\0\0\0\0\0" + packet
    checksum = zlib.crc32(b"iTXt" + body)
    new = struct.pack(">I", len(body)) + b"iTXt" + body + struct.pack(">I", checksum)
    return _replaced(content, old, chunks[0].end, new)


def _png_chunks(content: bytes) -> Iterator[_Part]:
    at = len(_PNG_HEAD)
    while True:
        length = int.from_bytes(content[at : at + 4], "big")
        part = _Part(content[at + 4 : at + 8], at, at + 8, at + 8 + length, at + 12 + length)
        if part.end > len(content):
            raise ValueError
        if zlib.crc32(content[at + 4 : part.body_end]) != int.from_bytes(content[part.body_end : part.end], "big"):
            raise ValueError
        yield part
        if part.name == b"IEND":
            return
        at = part.end


def _png_packet(body: bytes) -> bytes:
    packed, method = body[len(_PNG_XMP) + 1], body[len(_PNG_XMP) + 2]
    text = body[len(_PNG_XMP) + 3 :].split(b"\0", 2)[2]  # behind the language and the translated keyword
    if not packed:
        return text
    reader = zlib.decompressobj()
    found = reader.decompress(text, _LONGEST_IN_PNG)
    if method or not reader.eof:
        raise _Left(_TOO_LONG)
    return found


_LONGEST_IN_PNG = 16 << 20  # inflated


# WebP: RIFF with the extended form (RFC 9649).


def _write_webp(content: bytes, change: Change) -> bytes:
    end = 8 + int.from_bytes(content[4:8], "little")
    if end > len(content):
        raise ValueError
    chunks = list(_riff_chunks(content, end))
    if any(each.name == b"C2PA" for each in chunks):
        raise _Left(_CREDENTIALS)
    old = [each for each in chunks if each.name == b"XMP "]
    if len(old) > 1:
        raise _Left(_TWO_PACKETS)
    packet = _changed(old[0].of(content) if old else None, change)
    new = _replaced(content[:end], old, end, _riff_chunk(b"XMP ", packet))
    first = chunks[0]
    if first.name == b"VP8X":
        flags = bytes([new[first.body] | _WEBP_XMP])
        new = new[: first.body] + flags + new[first.body + 1 :]
    else:
        new = new[:12] + _extended(content, first) + new[12:]
    return new[:4] + struct.pack("<I", len(new) - 8) + new[8:] + content[end:]


def _riff_chunks(content: bytes, end: int) -> Iterator[_Part]:
    at = 12
    while at < end:
        length = int.from_bytes(content[at + 4 : at + 8], "little")
        part = _Part(content[at : at + 4], at, at + 8, at + 8 + length, at + 8 + length + (length & 1))
        if part.body_end > end:
            raise ValueError
        yield part
        at = part.end


def _riff_chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)


def _extended(content: bytes, first: _Part) -> bytes:
    """The header that a file of a single chunk goes without."""
    width, height = webp_canvas(content[:HEAD_BYTES])
    if first.name not in (b"VP8 ", b"VP8L") or min(width, height) < 1:
        raise ValueError
    alpha = first.name == b"VP8L" and first.of(content)[4] & 0x10  # behind 14 bits each of width and height
    sides = b"".join((side - 1).to_bytes(3, "little") for side in (width, height))
    return _riff_chunk(b"VP8X", bytes([_WEBP_XMP | (_WEBP_ALPHA if alpha else 0), 0, 0, 0]) + sides)


_WRITERS: dict[str, Callable[[bytes, Change], bytes]] = {"JPEG": _write_jpeg, "PNG": _write_png, "WEBP": _write_webp}
