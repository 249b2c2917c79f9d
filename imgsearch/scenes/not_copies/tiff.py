"""Handmade TIFF files: several directories, thumbnails first, sub-directories, and a small camera RAW (DNG)."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence

import numpy as np
from PIL import Image

Entry = tuple[int, int, int, bytes]
"""Tag, type, count, the value's bytes (little endian)."""


def short(tag: int, *values: int) -> Entry:
    return tag, 3, len(values), struct.pack(f"<{len(values)}H", *values)


def long(tag: int, *values: int) -> Entry:
    return tag, 4, len(values), struct.pack(f"<{len(values)}I", *values)


def text(tag: int, value: str) -> Entry:
    data = value.encode() + b"\0"
    return tag, 2, len(data), data


class TiffWriter:
    """Appends blocks one after the other; an offset is known once its block is appended."""

    def __init__(self) -> None:
        self._data = bytearray(b"II*\0\0\0\0\0")
        self._link = 4  # where the offset of the next directory of the chain is written

    def block(self, data: bytes) -> int:
        """The offset of the data."""
        self._data += bytes(len(self._data) % 2)
        at = len(self._data)
        self._data += data
        return at

    def directory(self, entries: Sequence[Entry], *, chained: bool = True) -> int:
        """Append a directory, linked from the one before or not (a sub-directory). Returns its offset."""
        rows = b""
        for tag, kind, count, value in sorted(entries):
            field = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", self.block(value))
            rows += struct.pack("<HHI", tag, kind, count) + field
        at = self.block(struct.pack("<H", len(entries)) + rows + bytes(4))
        if chained:
            struct.pack_into("<I", self._data, self._link, at)
            self._link = at + 2 + len(rows)
        return at

    def picture(self, image: Image.Image, *, reduced: bool, chained: bool = True, subs: Sequence[int] = ()) -> int:
        """An uncompressed RGB image; ``reduced``: NewSubfileType 1; ``subs``: offsets of its sub-directories."""
        data = image.convert("RGB").tobytes()
        at = self.block(data)
        entries = [long(254, int(reduced)), long(256, image.width), long(257, image.height), short(258, 8, 8, 8)]
        entries += [short(259, 1), short(262, 2), long(273, at), short(277, 3), long(278, image.height)]
        entries += [long(279, len(data))]
        if subs:
            entries.append(long(330, *subs))
        return self.directory(entries, chained=chained)

    def finished(self) -> bytes:
        return bytes(self._data)


def thumbnail_first(thumbnail: Image.Image, master: Image.Image) -> bytes:
    """A TIFF whose first directory is a thumbnail and whose second is the image."""
    writer = TiffWriter()
    writer.picture(thumbnail, reduced=True)
    writer.picture(master, reduced=False)
    return writer.finished()


def master_in_sub_directory(thumbnail: Image.Image, master: Image.Image) -> bytes:
    """A TIFF whose only chained directory is a thumbnail; the image lies in its SubIFD."""
    writer = TiffWriter()
    place = writer.picture(master, reduced=False, chained=False)
    writer.picture(thumbnail, reduced=True, subs=[place])
    return writer.finished()


def dng(preview: Image.Image, seed: int, taken: str = "", model: str = "EOS R6") -> bytes:
    """A DNG with sensor samples of the image (quarter size, uncompressed) whose first directory is its JPEG
    preview."""
    stream = io.BytesIO()
    preview.save(stream, "JPEG", quality=92)
    width, height = preview.width // 8 * 2, preview.height // 8 * 2
    grey = np.asarray(preview.convert("L").resize((width, height)), np.float32) * 250
    samples = grey + np.random.default_rng(seed).normal(0, 300, grey.shape)
    raw = samples.clip(0, 65535).astype("<u2").tobytes()
    writer = TiffWriter()
    jpeg_at, raw_at = writer.block(stream.getvalue()), writer.block(raw)
    two = [long(254, 0), long(256, width), long(257, height), short(258, 16), short(259, 1), short(262, 32803)]
    two += [long(273, raw_at), short(277, 1), long(278, height), long(279, len(raw))]
    two += [short(0x828D, 2, 2), (0x828E, 1, 4, bytes([0, 1, 1, 2]))]
    sub = writer.directory(two, chained=False)
    one = [long(254, 1), long(256, preview.width), long(257, preview.height), short(258, 8, 8, 8), short(259, 7)]
    one += [short(262, 6), text(271, "Canon"), text(272, model), long(273, jpeg_at), short(274, 1), short(277, 3)]
    one += [long(278, preview.height), long(279, len(stream.getvalue())), long(330, sub)]
    one += [(0xC612, 1, 4, bytes([1, 4, 0, 0])), text(0xC614, f"Canon {model}")]
    if taken:
        one.append(text(306, taken))
        exif = writer.directory([text(0x9003, taken)], chained=False)
        one.append(long(0x8769, exif))
    writer.directory(one)
    return writer.finished()
