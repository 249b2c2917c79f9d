"""BMP images that Pillow 13 refuses and viewers show: bit fields with any masks, 2 bits a pixel, the short headers of
OS/2, oversized palettes, a JPEG or PNG inside.

Sources: Microsoft's "Bitmap Storage" (BITMAPFILEHEADER and others), and "bmpsuite" by Jason Summers for what occurs in
practice.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, replace

import numpy as np

from imgsearch.errors import MediaError
from imgsearch.media.colour.rows import Array, ArrayRows
from imgsearch.media.colour.small import DeepImage
from imgsearch.media.containers.header import read_at
from imgsearch.media.formats.other_readers import read_all
from imgsearch.media.limits import check_bytes
from imgsearch.media.sniff import HEAD_BYTES, sniff
from imgsearch.media.wanted import DecodeRequest

_PLAIN, _RLE8, _RLE4, _FIELDS, _JPEG, _PNG, _ALPHA_FIELDS = range(7)
_OS2_OF_64 = 64  # the size of the OS/2 header, in which compressions 3 and 4 have other meanings
_ENOUGH = 4 + 124


@dataclass(frozen=True, slots=True)
class _Bitmap:
    """The header's fields. The information header begins at ``at``, the samples at ``data``."""

    at: int
    header_bytes: int
    width: int
    height: int  # negative if the top row comes first
    bits: int
    compression: int
    colours: int
    masks: tuple[int, int, int, int]  # red, green, blue, alpha
    data: int

    @property
    def palette_entry(self) -> int:
        return 3 if self.header_bytes == 12 else 4

    @property
    def palette(self) -> int:
        follow = {_FIELDS: 12, _ALPHA_FIELDS: 16}.get(self.compression, 0) if self.header_bytes == 40 else 0
        return self.at + self.header_bytes + follow

    @property
    def stride(self) -> int:
        """Bytes a row."""
        return (self.bits * self.width + 31) // 32 * 4


def read_odd_bmp(wanted: DecodeRequest) -> DeepImage | DecodeRequest:
    """The samples, or a request for a file in a form that the usual readers take. Raises MediaError."""
    bitmap = _read_headers(wanted)
    if bitmap.compression in (_JPEG, _PNG) and bitmap.header_bytes != _OS2_OF_64 and not bitmap.bits:
        return _inner(wanted, bitmap)
    if bitmap.header_bytes == _OS2_OF_64 and bitmap.compression in (_FIELDS, _JPEG):
        raise MediaError("not supported: a BMP picture of OS/2 in Huffman or 24-bit run lengths", stage="open")
    if min(bitmap.width, abs(bitmap.height)) < 1:
        size = f"{bitmap.width} x {abs(bitmap.height)} pixels"
        raise MediaError(f"the picture is {size}: nothing to see", stage="open")
    if bitmap.compression in (_FIELDS, _ALPHA_FIELDS) and bitmap.bits in (16, 32):
        return _read_fields(wanted, bitmap)
    if bitmap.compression == _PLAIN and bitmap.bits == 2:
        return _read_two_bits(wanted, bitmap)
    if bitmap.compression <= _RLE4 and bitmap.bits in (1, 4, 8, 16, 24, 32):
        return _rewritten(wanted, bitmap)
    what = f"{bitmap.bits} bits a pixel, compression {bitmap.compression}"
    raise MediaError(f"the file begins like a BMP picture, but its header is damaged ({what})", stage="open")


def _read_headers(wanted: DecodeRequest) -> _Bitmap:
    at = 14 if wanted.kind.format == "BMP" else 0
    head = read_at(wanted.stream, 0, 2 * at + _ENOUGH)
    file_header = 0
    if head[:2] == b"BA":  # an array of bitmaps for several displays; the first one is read
        at, file_header = 28, 14
    size = int.from_bytes(head[at : at + 4], "little")
    info = (head[at : at + size] if size > 12 else b"").ljust(124, b"\0")
    if size == 12:
        width, height, _, bits = struct.unpack_from("<HhHH", head.ljust(at + 12, b"\0"), at + 4)
        compression = colours = 0
    else:
        width, height, _, bits, compression, _, _, _, colours = struct.unpack_from("<iiHHIIiiI", info, 4)
    masks = struct.unpack_from("<4I", head.ljust(at + 56, b"\0"), at + 40)
    if size < 56 and compression != _ALPHA_FIELDS:
        masks = (*masks[:3], 0)
    told = int.from_bytes(head[file_header + 10 : file_header + 14], "little") if at else 0
    found = _Bitmap(at, size, width, height, bits, compression, colours, masks, told)
    most = 1 << bits if bits <= 8 else 0
    room = max(0, found.data - found.palette) // found.palette_entry if told else most
    kept = min(colours or most, most, room)
    data = told if told >= found.palette else found.palette + (colours or most) * found.palette_entry
    return replace(found, colours=kept, data=data)


def _inner(wanted: DecodeRequest, bitmap: _Bitmap) -> DecodeRequest:
    wanted.stream.seek(bitmap.data)
    data = wanted.stream.read()
    kind = sniff(data[:HEAD_BYTES])
    if kind.format not in ("JPEG", "PNG"):
        raise MediaError("the BMP picture is to hold a JPEG or PNG, but does not", stage="open")
    return replace(wanted, stream=io.BytesIO(data), kind=kind, size_bytes=len(data))


def _rows(wanted: DecodeRequest, bitmap: _Bitmap, extra: int) -> Array:
    """uint8 [H, stride], the top row first. ``extra``: bytes that decoding takes a pixel besides the rows."""
    height = abs(bitmap.height)
    count = height * bitmap.stride
    if bitmap.data + count > wanted.size_bytes:
        held = f"{wanted.size_bytes} bytes cannot hold {bitmap.width} x {height} pixels"
        raise MediaError(f"a BMP picture that is cut off: {held}", stage="open")
    check_bytes((bitmap.width, height), count + extra * bitmap.width * height, wanted.limits)
    rows = np.frombuffer(read_at(wanted.stream, bitmap.data, count), np.uint8).reshape(height, bitmap.stride)
    return rows if bitmap.height < 0 else rows[::-1]


def _read_fields(wanted: DecodeRequest, bitmap: _Bitmap) -> DeepImage:
    rows = _rows(wanted, bitmap, 24)
    wide = bitmap.bits // 8
    pixels = np.ascontiguousarray(rows[:, : wide * bitmap.width]).view(f"<u{wide}")
    channels = [_field(pixels, mask) for mask in bitmap.masks]
    if not bitmap.masks[3] or not channels[3].any():  # viewers take an alpha of zeros for one that was never written
        channels = channels[:3]
    return DeepImage(ArrayRows(np.stack(channels, axis=2), colours=3), (0.0, 65535.0))


def _field(pixels: Array, mask: int) -> Array:
    """One channel as uint16 [H, W] from 0 to 65535."""
    if not mask:
        return np.zeros(pixels.shape, np.uint16)
    low = (mask & -mask).bit_length() - 1
    highest = mask >> low
    values = (pixels & pixels.dtype.type(mask & np.iinfo(pixels.dtype).max)) >> pixels.dtype.type(low)
    scaled: Array = (values.astype(np.float32) * np.float32(65535 / highest) + 0.5).clip(0, 65535).astype(np.uint16)
    return scaled


def _read_two_bits(wanted: DecodeRequest, bitmap: _Bitmap) -> DeepImage:
    rows = _rows(wanted, bitmap, 8)
    indices = np.stack([rows >> shift & 3 for shift in (6, 4, 2, 0)], axis=2).reshape(len(rows), -1)
    palette = np.zeros((4, 3), np.uint8)
    told = _palette(wanted, bitmap)
    palette[: len(told)] = told[:, 2::-1]
    return DeepImage(ArrayRows(palette[indices[:, : bitmap.width]]), (0.0, 255.0))


def _palette(wanted: DecodeRequest, bitmap: _Bitmap) -> Array:
    """uint8 [colours, 4]: blue, green, red, unused."""
    entry = bitmap.palette_entry
    data = read_at(wanted.stream, bitmap.palette, entry * bitmap.colours)
    colours = np.frombuffer(data[: len(data) // entry * entry], np.uint8).reshape(-1, entry)
    return np.pad(colours[:, :3], ((0, 0), (0, 1)))


def _rewritten(wanted: DecodeRequest, bitmap: _Bitmap) -> DecodeRequest:
    """The same image under a header that Pillow reads."""
    palette = _palette(wanted, bitmap)
    start = 14 + 40 + palette.size
    shape = bitmap.width, bitmap.height, 1, bitmap.bits, bitmap.compression
    head = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 0, 0, 0, start, 40, *shape, 0, 0, 0, len(palette), 0)
    data = head + palette.tobytes() + read_all(wanted)[bitmap.data :]
    kind = replace(wanted.kind, format="BMP")
    return replace(wanted, stream=io.BytesIO(data), kind=kind, size_bytes=len(data))
