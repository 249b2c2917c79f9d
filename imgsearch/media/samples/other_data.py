"""What a picture file carries beside its pictures and the metadata that are read: signed statements of its origin
(C2PA), data of programs and instruments (a thermal camera's measurements, the layers of a drawing program), and
anything that was appended behind the picture.

Nothing here is interpreted, only named and hashed, so that no copy without it is kept in place of the file that has it.
Sources: JPEG (ITU-T T.81, T.86), C2PA 2.1 (where manifests are embedded), PNG third edition, RFC 9649 (WebP), GIF89a.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from imgsearch.media.containers.animated import gif_end
from imgsearch.media.containers.boxes import file_boxes
from imgsearch.media.containers.header import FilePart, Header, read_at, stream_size
from imgsearch.media.containers.jpeg import image_end, walk_segments
from imgsearch.media.containers.plain import read_pnms
from imgsearch.media.containers.png import walk_chunks
from imgsearch.media.containers.tiff.extent import read_extent

Found = Iterator[tuple[str, FilePart]]

SIGNED = "a signed statement of its origin"
_PROGRAM = "data of a program or an instrument"
_BEHIND = "data behind its picture"

_PADDING = b"\0\xff \r\n\t"
_PIECE_BYTES = 1024 * 1024
_HASHED_BYTES = 64 * _PIECE_BYTES
_MOST = 256

# What JPEG's application segments begin with if they are read elsewhere, or can be lost: previews, print settings.
_KNOWN_SEGMENTS = (
    *(b"JFIF\0", b"JFXX\0", b"Exif\0", b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"),
    *(b"ICC_PROFILE\0", b"MPF\0", b"urn:iso:std:iso:ts:21496", b"Photoshop 3.0\0", b"Adobe_Photoshop2.5"),
    *(b"Adobe\0", b"Adobe_CM", b"Ducky", b"AROT\0", b"[picture info]", b"Type=", b"AVI1"),
)
_JUMBF = b"JP\0"
_KNOWN_CHUNKS = frozenset(
    b"IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV mDCv cLLI cLLi bKGD hIST pHYs sPLT tIME tEXt zTXt "
    b"iTXt eXIf zxIf acTL fcTL fdAT iDOT vpAg caNv orNT gIFg gIFx oFFs CgBI".split()
)
_KNOWN_GIF = (b"ImageMagick", b"MGK8BIM", b"MGKIPTC")
_KNOWN_RIFF = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP "))
_KNOWN_BOXES = frozenset(
    b"ftyp meta mdat moov moof mfra free skip wide styp sidx pdin idat mpvd sefd jP__ jp2h jp2c jp2i xml_ jpch jplh "
    b"rreq JXL_ jxlc jxlp jxll jxli Exif brob jbrd jhgm colr".replace(b"_", b" ").split(b" ")
) | {b"jP  ", b"xml ", b"JXL "}
_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_KNOWN_UUIDS = (
    *(bytes.fromhex("be7acfcb97a942e89c71999491e3afac"), b"JpgTiffExif->JP2"),  # XMP, EXIF
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"),  # IPTC
)
_C2PA_TAG = 0xCD41
# TIFF's private tags that are read elsewhere, or that say how samples are stored.
_KNOWN_TAGS = frozenset(
    (
        *(32781, 32932, 32934, 32953, 32954, 32995, 32996, 32997, 32998, 33421, 33422, 33432, 33434, 33437, 33550),
        *(33723, 33922, 34264, 34377, 34665, 34675, 34735, 34736, 34737, 34850, 34853, 34855, 36864, 36867, 36868),
        *(37377, 37378, 37380, 37383, 37384, 37385, 37386, 37439, 37500, 37510, 40091, 40092, 40093, 40094, 40095),
        *(40960, 40961, 40962, 40963, 40965, 41486, 41487, 41488, 42036, 42080, 42240, 48129, 50341, 50838, 50839),
        *(59932, 59933),
    )
)
_FIRST_PRIVATE = 32768


def other_data(stream: BinaryIO, format_name: str, header: Header) -> dict[str, str]:
    """Digest (hex) -> what it is, in words, of all other data in the file; of 256 pieces at most. Of a JPEG the whole
    file is read, as fast as the disk gives it; of others headers alone, and what is hashed. ``format_name`` as
    `media.sniff` names it. Formats that are not known here have none."""
    finder = _FINDERS.get(format_name)
    found: dict[str, str] = {}
    if finder is None or header.raw:
        return found
    for words, part in finder(stream, header):
        digest = _digest(stream, part)
        if digest:
            found[digest] = words
        if len(found) >= _MOST:
            break
    return found


def _digest(stream: BinaryIO, part: FilePart) -> str:
    """sha256 of its first 64 MiB and its length; "" if it holds nothing but padding."""
    digest, empty, left = hashlib.sha256(b"%d:" % part.length), True, min(part.length, _HASHED_BYTES)
    stream.seek(part.offset)
    while left > 0 and (piece := stream.read(min(left, _PIECE_BYTES))):
        empty = empty and not piece.strip(_PADDING)
        digest.update(piece)
        left -= len(piece)
    return "" if empty else digest.hexdigest()


def _behind(stream: BinaryIO, end: int, header: Header) -> Found:
    """What lies behind ``end``, unless it is a film, which is compared by itself."""
    size = stream_size(stream)
    if 0 < end < size and not header.film:
        yield _BEHIND, FilePart(end, size - end)


def _of_jpeg(stream: BinaryIO, header: Header) -> Found:
    scan = 0
    for marker, at, length in walk_segments(stream, 0):
        scan = at + length
        if 0xE1 <= marker <= 0xEF:
            head = read_at(stream, at, 64)
            if marker == 0xEB and head.startswith(_JUMBF):
                yield SIGNED, FilePart(at, length)
            elif not head.startswith(_KNOWN_SEGMENTS):
                yield _PROGRAM, FilePart(at, length)
    ends = [part.offset + part.length for part in (*header.parts[1:], *header.map_parts)]
    end = image_end(stream, scan)
    yield from _behind(stream, max([end, *ends]) if end else 0, header)


def _of_png(stream: BinaryIO, header: Header) -> Found:
    end = 0
    for name, at, length in walk_chunks(stream):
        if name == b"caBX":
            yield SIGNED, FilePart(at, length)
        elif name not in _KNOWN_CHUNKS:
            yield _PROGRAM, FilePart(at, length)
        elif name == b"IEND":
            end = at + length + 4
    yield from _behind(stream, end, header)


def _of_webp(stream: BinaryIO, header: Header) -> Found:
    end = 8 + int.from_bytes(read_at(stream, 4, 4), "little")
    at, stop = 12, min(end, stream_size(stream))
    while at + 8 <= stop:
        head = read_at(stream, at, 8)
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"C2PA":
            yield SIGNED, FilePart(at + 8, length)
        elif head[:4] not in _KNOWN_RIFF:
            yield _PROGRAM, FilePart(at + 8, length)
        at += 8 + length + (length & 1)
    yield from _behind(stream, end + (end & 1), header)


def _of_boxes(stream: BinaryIO, header: Header) -> Found:
    """HEIF, AVIF, JPEG 2000 and JPEG XL. What is no box, and anything after it, lies behind the picture."""
    if read_at(stream, 4, 4) not in (b"ftyp", b"jP  ", b"JXL "):
        return  # a bare codestream, whose end only its decoder knows
    size, last = stream_size(stream), 0
    for box in file_boxes(stream, 0, size):
        part = FilePart(box.start, box.end - box.start)
        if box.name == b"uuid":
            kind = read_at(stream, box.start, 16)
            if kind == _C2PA_UUID or kind not in _KNOWN_UUIDS:
                yield SIGNED if kind == _C2PA_UUID else _PROGRAM, part
        elif box.name == b"jumb":
            yield SIGNED, part
        elif not (box.name.isalnum() or box.name in _KNOWN_BOXES):
            yield from _behind(stream, box.start - 8, header)
            return
        elif box.name not in _KNOWN_BOXES:
            yield _PROGRAM, part
        last = box.end
    yield from _behind(stream, last, header)


def _of_gif(stream: BinaryIO, header: Header) -> Found:
    end, extensions = gif_end(stream)
    for name, part in extensions:
        if not name.startswith(_KNOWN_GIF):
            yield SIGNED if name.startswith(b"C2PA") else _PROGRAM, part
    yield from _behind(stream, end, header)


def _of_bmp(stream: BinaryIO, header: Header) -> Found:
    data = read_at(stream, 0, 138)
    if int.from_bytes(data[14:18], "little") < 40:
        return
    width, height = (int.from_bytes(data[at : at + 4], "little", signed=True) for at in (18, 22))
    bits, stored = int.from_bytes(data[28:30], "little"), int.from_bytes(data[34:38], "little")
    plain = int.from_bytes(data[30:34], "little") in (0, 3, 6)
    pixels = (abs(width) * bits + 31) // 32 * 4 * abs(height) if plain else stored
    ends = [int.from_bytes(data[10:14], "little") + pixels]
    if int.from_bytes(data[14:18], "little") == 124 and data[70:74] == b"DEBM":
        ends.append(14 + sum(int.from_bytes(data[at : at + 4], "little") for at in (126, 130)))
    if pixels:
        yield from _behind(stream, max(ends), header)


def _of_ppm(stream: BinaryIO, header: Header) -> Found:
    images = read_pnms(stream)
    if images and images[-1].kind >= 4:
        yield from _behind(stream, images[-1].end, header)


def _of_tiff(stream: BinaryIO, header: Header) -> Found:
    extent = read_extent(stream)
    for tag, part in extent.tags:
        if tag >= _FIRST_PRIVATE and tag not in _KNOWN_TAGS:
            yield SIGNED if tag == _C2PA_TAG else _PROGRAM, part
    yield from _behind(stream, extent.end, header)


_FINDERS: dict[str, Callable[[BinaryIO, Header], Found]] = {
    "JPEG": _of_jpeg,
    "PNG": _of_png,
    "WEBP": _of_webp,
    "GIF": _of_gif,
    "TIFF": _of_tiff,
    "BMP": _of_bmp,
    "PPM": _of_ppm,
    **dict.fromkeys(("HEIF", "AVIF", "JPEG2000", "JXL"), _of_boxes),
}
