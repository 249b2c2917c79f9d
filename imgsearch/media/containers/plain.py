"""Headers of BMP, ICO, PPM, QOI and JPEG 2000."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO

from imgsearch.media.containers.boxes import file_boxes, find_box, inner_boxes, read_box
from imgsearch.media.containers.header import FilePart, Header, load_exif, read_at, stream_size, usual_depth

_MAX_ICONS, _MAX_IMAGES = 256, 10_002
_PNM_HEADER = re.compile(rb"P([1-6])((?:\s+|#[^\n\r]*[\n\r])+)")
_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_EXIF_UUID = b"JpgTiffExif->JP2"
_IPTC_UUID = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
_REVERSIBLE, _IRREVERSIBLE = 1, 0  # the wavelet in a JPEG 2000 codestream (COD)
_CODESTREAM_BYTES = 4096


def read_bmp(stream: BinaryIO) -> Header:
    """Raises ValueError for a truncated header."""
    data = read_at(stream, 0, 14 + 124)
    size = int.from_bytes(data[14:18], "little")
    if len(data) < 26:
        raise ValueError("no header")
    header = Header(lossless=True)
    if size < 40:
        header.depth = 1 if int.from_bytes(data[24:26], "little") == 1 else 8
        return header
    bits, compression = int.from_bytes(data[28:30], "little"), int.from_bytes(data[30:34], "little")
    header.depth = 1 if bits == 1 else 8
    fields = size >= 56 or compression == 6  # the alpha mask follows a header of 52 bytes, or is part of a longer one
    header.has_alpha = bits in (16, 32) and fields and compression in (3, 6) and data[66:70] not in (b"", bytes(4))
    if size == 124 and data[70:74] == b"DEBM":
        place, length = (int.from_bytes(data[at : at + 4], "little") for at in (126, 130))
        header.icc = read_at(stream, 14 + place, length)
    return header


@dataclass(frozen=True, slots=True)
class Icon:
    """One image of an icon file, as its own header says, whatever the directory claims."""

    width: int
    height: int
    bits: int
    offset: int


def read_icons(stream: BinaryIO) -> list[Icon]:
    """The images of an icon file, in the order of its directory."""
    head = read_at(stream, 0, 6 + 16 * _MAX_ICONS)
    icons = []
    for at in range(6, 6 + 16 * min(int.from_bytes(head[4:6], "little"), _MAX_ICONS), 16):
        offset = int.from_bytes(head[at + 12 : at + 16], "little")
        data = read_at(stream, offset, 26)
        if len(data) < 26:
            continue
        if data.startswith(b"\x89PNG"):
            width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
            bits = data[24] if data[25] != 3 else 8
        else:  # the height includes the mask
            width = abs(int.from_bytes(data[4:8], "little", signed=True))
            height, bits = abs(int.from_bytes(data[8:12], "little", signed=True)) // 2, 8
        icons.append(Icon(width, height, bits, offset))
    return icons


def read_ico(stream: BinaryIO) -> Header:
    """Raises ValueError if there is no image. The order is Pillow's: the largest first."""
    icons = read_icons(stream)
    if not icons:
        raise ValueError("no picture in it")
    largest = max(icons, key=lambda each: each.width * each.height)
    header = Header(images=len(icons), depth=usual_depth(largest.bits), has_alpha=True, lossless=True)
    header.extent = largest.width, largest.height
    return header


@dataclass(frozen=True, slots=True)
class Pnm:
    """One image of a PBM, PGM or PPM. Its samples lie from ``data`` to ``end``."""

    kind: int  # 1 to 6
    width: int
    height: int
    highest: int  # the sample value of white
    data: int
    end: int


def read_pnms(stream: BinaryIO) -> list[Pnm]:
    """The images of a binary Netpbm file, which may hold several in sequence."""
    found, at = list[Pnm](), 0
    size = stream_size(stream)
    while at < size and len(found) < _MAX_IMAGES:
        image = _read_pnm(read_at(stream, at, 4096), at, size)
        if image is None:
            break
        found.append(image)
        at = image.end
    return found


def _read_pnm(head: bytes, at: int, size: int) -> Pnm | None:
    start = _PNM_HEADER.match(head)
    if start is None:
        return None
    kind, place, numbers = int(start[1]), start.end(), []
    for _ in range(2 if kind in (1, 4) else 3):
        number = re.compile(rb"(?:\s|#[^\n\r]*[\n\r])*(\d{1,9})").match(head, place)
        if number is None:
            return None
        numbers.append(int(number[1]))
        place = number.end()
    width, height, highest = (*numbers, 1)[:3]
    sample = 2 if highest > 255 else 1
    row = {4: -(-width // 8), 5: width * sample, 6: 3 * width * sample}.get(kind, 0)
    data = at + place + 1
    return Pnm(kind, width, height, highest, data, data + row * height if kind >= 4 else size)


def read_ppm(stream: BinaryIO) -> Header:
    """Raises ValueError for an unreadable header."""
    images = read_pnms(stream)
    if not images:
        raise ValueError("no header")
    first = images[0]
    header = Header(images=len(images), depth=usual_depth(first.highest.bit_length()), lossless=True)
    header.space = "RGB" if first.kind in (3, 6) else "GRAY"
    starts = [0, *(each.end for each in images[:-1])]
    header.parts = [FilePart(at, each.end - at) for at, each in zip(starts, images, strict=True)]
    header.extent = max(each.width for each in images), max(each.height for each in images)
    return header


def read_qoi(stream: BinaryIO) -> Header:
    """Raises ValueError for a truncated header."""
    data = read_at(stream, 0, 14)
    if len(data) < 14:
        raise ValueError("no header")
    return Header(has_alpha=data[12] == 4, lossless=True)


def read_jpeg2000(stream: BinaryIO) -> Header:
    """A bare codestream, or the boxes around one (ISO/IEC 15444-1 and -2). Raises ValueError without a codestream."""
    header = Header(images=0)
    if read_at(stream, 0, 4) == b"\xff\x4f\xff\x51":
        _read_codestream(header, read_at(stream, 0, _CODESTREAM_BYTES))
    for box in file_boxes(stream, 0, stream_size(stream)) if not header.images else ():
        if box.name == b"jp2h":
            _read_jp2_header(header, read_box(stream, box))
        elif box.name == b"jp2c":
            _read_codestream(header, read_at(stream, box.start, _CODESTREAM_BYTES))
        elif box.name == b"uuid":
            data = read_box(stream, box)
            if data.startswith(_XMP_UUID):
                header.xmp = data[16:]
            elif data.startswith(_EXIF_UUID):
                header.exif = load_exif(data[16:])
            elif data.startswith(_IPTC_UUID):
                header.iptc = data[16:]
    if not header.images:
        raise ValueError("no codestream")
    return header


def read_jpeg2000_bits(stream: BinaryIO) -> int:
    """Exact bits a sample of the first codestream; 8 if there is none."""
    if read_at(stream, 0, 4) == b"\xff\x4f\xff\x51":
        return (read_at(stream, 42, 1)[0] & 0x7F) + 1
    for box in file_boxes(stream, 0, stream_size(stream)):
        if box.name == b"jp2c" and (depth := read_at(stream, box.start + 42, 1)):
            return (depth[0] & 0x7F) + 1
    return 8


def _read_jp2_header(header: Header, data: bytes) -> None:
    for box in inner_boxes(data):
        content = data[box.start : box.end]
        if box.name == b"colr" and content[:1] in (b"\2", b"\3"):
            header.icc = header.icc or content[3:]
        elif box.name == b"cdef":
            kinds = [int.from_bytes(content[at + 2 : at + 4], "big") for at in range(2, len(content) - 5, 6)]
            header.has_alpha = any(kind in (1, 2) for kind in kinds)
    if find_box(data, (b"pclr",)):
        header.space = "RGB"


def _read_codestream(header: Header, data: bytes) -> None:
    """Read size and depth (SIZ) and wavelet (COD) of a codestream. A second codestream is another image (JPX)."""
    header.images += 1
    if header.images > 1:
        return
    header.extent = int.from_bytes(data[8:12], "big"), int.from_bytes(data[12:16], "big")
    channels = int.from_bytes(data[40:42], "big")
    header.depth = usual_depth(max((byte & 0x7F for byte in data[42 : 42 + 3 * channels : 3]), default=7) + 1)
    header.space = "GRAY" if channels <= 2 else "RGB"
    header.has_alpha = header.has_alpha or channels in (2, 4)
    at = data.find(b"\xff\x52", 42)
    wavelet = data[at + 13] if 0 <= at < len(data) - 13 else _REVERSIBLE
    header.lossless = False if wavelet == _IRREVERSIBLE else None  # a reversible one may be truncated
