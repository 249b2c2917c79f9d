"""Headers of JPEG: its segments up to the first scan, and the further images of an MPO (CIPA DC-007).

The second view of a stereo image and other angles count as images. Gain maps and depth maps (Ultra HDR, Apple's, ISO
21496-1) do not, nor does the large preview that cameras append to every photograph.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from imgsearch.media.containers.film import find_film, xmp_names_film
from imgsearch.media.containers.header import FilePart, Header, load_exif, read_at, stream_size, western

_JFIF = b"JFIF\0"
_EXIF, _XMP, _XMP_MORE = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_ICC, _MPF, _RESOURCES = b"ICC_PROFILE\0", b"MPF\0", b"Photoshop 3.0\0"
_ISO_GAIN_MAP = b"urn:iso:std:iso:ts:21496:-1\0"
_MAX_SEGMENTS, _MAX_MORE_XMP = 4096, 256
_MAX_IMAGES = 10_002
_PIECE_BYTES = 1024 * 1024
_SEARCHED = 1024  # bytes searched after the indexed offset, which programs that edit the header make wrong
_LOSSLESS_FRAMES = (0xC3, 0xC7, 0xCB, 0xCF)
_PREVIEW_CLASS, _PART_CLASS = 1, 2  # the highest byte of an MP type code
_AUXILIARY = re.compile(rb"hdrgm:|HDRGainMap|AuxiliaryImageType|aux:hdrgainmap|GainMapVersion|GDepth:|Camera:Depth")
_SEMANTIC = re.compile(rb"""Semantic\s*(?:=\s*["']|>)\s*(\w+)""")
_LENGTH = re.compile(rb"""Item:Length\s*(?:=\s*["']|>)\s*(\d{1,10})""")
_NOT_SEEN = frozenset({b"GainMap", b"Depth", b"Confidence", b"RecoveryMap", b"SegmentationMap"})
# Comments that programs write.
_PROGRAMS = re.compile(
    r"CREATOR:|Created with|File written by|LEAD Tech|Lavc|AppleMark|Optimized|Compressed by|Handmade Software|Intel",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Segments:
    """The segments of one JPEG up to its first scan (SOS). ``end`` is where the scan's data begin. ``frame`` is the SOF
    marker, 0 if there was none."""

    frame: int = 0
    depth: int = 8
    size: tuple[int, int] = (0, 0)
    channels: int = 3
    exif: bytes = b""
    xmp: bytes = b""
    more_xmp: dict[int, bytes] = field(default_factory=dict)
    icc: dict[int, bytes] = field(default_factory=dict)
    mpf: bytes = b""
    mpf_at: int = 0  # offsets in an MPF count from here
    resources: bytes = b""
    comments: list[str] = field(default_factory=list)
    gain_map: bool = False
    density: float = 0.0  # pixels an inch
    tables: dict[int, int] = field(default_factory=dict)  # the sum of the steps of each quantisation table
    table: int = 0  # that of the first component
    end: int = 0

    @property
    def profile(self) -> bytes:
        return b"".join(self.icc[number] for number in sorted(self.icc))

    @property
    def all_xmp(self) -> tuple[bytes, bytes]:
        """The main XMP packet and the extended one."""
        return self.xmp, b"".join(self.more_xmp[at] for at in sorted(self.more_xmp))


def read_segments(stream: BinaryIO, start: int = 0) -> Segments:
    """The segments of the JPEG that begins at ``start``. After a damaged segment nothing is read. 50 us."""
    found = Segments()
    for marker, at, length in walk_segments(stream, start):
        if marker in (0xDB, 0xE0, 0xE1, 0xE2, 0xED, 0xFE):
            stream.seek(at)
            _keep(found, marker, stream.read(length), at)
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            frame = read_at(stream, at, 9)
            if len(frame) == 9:
                found.frame, found.depth, found.channels, found.table = marker, frame[0], frame[5], frame[8]
                found.size = int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big")
        found.end = at + length
    return found


def read_header(stream: BinaryIO) -> Header:
    """Read the header and what it points at, and the last bytes of the file for a video. Raises ValueError if there is
    no frame header."""
    found = read_segments(stream)
    if not found.frame:
        raise ValueError("no frame header")
    xmp, more = found.all_xmp
    header = Header(depth=found.depth, lossless=found.frame in _LOSSLESS_FRAMES, icc=found.profile)
    header.space = {1: "GRAY", 4: "CMYK"}.get(found.channels, "RGB")
    header.extent = found.size
    header.density, header.steps = found.density, found.tables.get(found.table, 0)
    header.exif = load_exif(found.exif)
    header.xmp, header.iptc = xmp, found.resources
    header.words = [text for text in found.comments if not _PROGRAMS.search(text)]
    size = stream_size(stream)
    header.parts = [FilePart(0, size), *_further_parts(stream, found, size, header)]
    header.images = len(header.parts)
    if b"GDepth:Data" in more or b"GDepth:Data" in xmp:
        header.maps, header.map_parts = header.maps + 1, []  # a map stored as text is not compared
    if b"GImage:Data" in more or b"GImage:Data" in xmp:  # the second view of a Cardboard photo, stored as text
        header.images += 1
        header.hidden.append("a second picture in its XMP")
    header.film = find_film(stream, found.end, size, xmp if xmp_names_film(xmp) else b"") or b"GAudio:Data" in more
    return header


def walk_segments(stream: BinaryIO, start: int) -> Iterator[tuple[int, int, int]]:
    """(marker, offset of its content, length) of each segment, SOS last."""
    at = start + 2
    for _ in range(_MAX_SEGMENTS):
        stream.seek(at)
        head = stream.read(4)
        if len(head) < 4:
            return
        if head[0] != 0xFF:  # stray bytes between segments; libjpeg skips them too
            rest = head + stream.read(65536)
            skip = rest.find(b"\xff", 1)
            if skip < 0:
                return
            at += skip
            continue
        marker = head[1]
        if marker in (0xFF, 0x00):  # fill bytes
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 2
        elif marker == 0xD9:
            return
        else:
            length = max(int.from_bytes(head[2:4], "big") - 2, 0)
            yield marker, at + 4, length
            if marker == 0xDA:
                return
            at += 4 + length


def image_end(stream: BinaryIO, scan: int) -> int:
    """The offset behind the end marker of the JPEG whose first scan begins at ``scan``, or behind the last image of an
    MP index, cameras' previews included; 0 if there is no end marker. Reads on to the marker: 1 ms for 3 MB."""
    stream.seek(scan)
    at, last, end = scan, b"", 0
    while not end and (piece := stream.read(_PIECE_BYTES)):  # in a scan, FF is followed by 00 or a restart marker
        place = (last + piece).find(b"\xff\xd9")
        end = at - len(last) + place + 2 if place >= 0 else 0
        at, last = at + len(piece), piece[-1:]
    found = read_segments(stream)
    for _, length, offset in _mpf_entries(found.mpf) if end else ():
        shift = read_at(stream, offset + found.mpf_at, _SEARCHED).find(b"\xff\xd8\xff") if offset else -1
        end = max(end, offset + found.mpf_at + shift + length if shift >= 0 else 0)
    return end


def _keep(found: Segments, marker: int, data: bytes, at: int) -> None:
    if marker == 0xFE:
        text = western(data).strip("\0 \r\n\t")
        found.comments += [text] if text else []
    elif marker == 0xDB:
        found.tables |= _tables(data)
    elif data.startswith(_JFIF):
        found.density = _density(data)
    elif data.startswith(_EXIF):
        found.exif = found.exif or data
    elif data.startswith(_XMP):
        found.xmp = found.xmp or data[len(_XMP) :]
    elif data.startswith(_XMP_MORE) and len(found.more_xmp) < _MAX_MORE_XMP:
        body = data[len(_XMP_MORE) :]  # GUID, full length, offset
        found.more_xmp[int.from_bytes(body[36:40], "big")] = body[40:]
    elif data.startswith(_ICC):
        found.icc[data[12] if len(data) > 12 else 0] = data[14:]
    elif data.startswith(_MPF):
        found.mpf, found.mpf_at = data[4:], at + 4
    elif data.startswith(_ISO_GAIN_MAP):
        found.gain_map = True
    elif data.startswith(_RESOURCES):
        found.resources += data[len(_RESOURCES) :]


def _density(data: bytes) -> float:
    """The pixels an inch of a JFIF segment; 0 where it gives an aspect ratio."""
    return int.from_bytes(data[8:10], "big") * {1: 1.0, 2: 2.54}.get(data[7] if len(data) > 7 else 0, 0.0)


def _tables(data: bytes) -> dict[int, int]:
    """The sum of the 64 steps of each table in a DQT segment."""
    found, at = {}, 0
    while at < len(data):
        wide = 2 if data[at] >> 4 else 1
        steps = data[at + 1 : at + 1 + 64 * wide]
        found[data[at] & 15] = sum(steps) + (255 * sum(steps[: len(steps) // 2 * 2 : 2]) if wide == 2 else 0)
        at += 1 + 64 * wide
    return found


def _further_parts(stream: BinaryIO, found: Segments, size: int, header: Header) -> list[FilePart]:
    """The images after the first that people are meant to see. Maps are counted in the header."""
    entries = _mpf_entries(found.mpf)
    if len(entries) < 2:
        header.map_parts = list(_appended_maps(stream, found.xmp, size))
        header.maps = len(header.map_parts)
        return []
    kinds = [attribute & 0xFFFFFF for attribute, _, _ in entries]
    is_stereo = any(kind >> 16 == _PART_CLASS for kind in kinds)
    semantics = _SEMANTIC.findall(found.xmp)
    parts = []
    for place, (_, length, offset) in enumerate(entries[1:], 1):
        at = offset + found.mpf_at
        if kinds[place] >> 16 == _PREVIEW_CLASS and not is_stereo:
            continue
        shift = read_at(stream, at, _SEARCHED).find(b"\xff\xd8\xff") if offset else -1
        if shift < 0:
            continue  # a program that did not know the part cut it off
        at += shift
        named = place < len(semantics) and semantics[place] in _NOT_SEEN
        if named or _is_auxiliary(stream, at):
            header.maps += 1
            header.map_parts.append(FilePart(at, min(length, size - at)))
        else:
            parts.append(FilePart(at, min(length, size - at)))
    return parts


def _appended_maps(stream: BinaryIO, xmp: bytes, size: int) -> Iterator[FilePart]:
    """The maps at the end of the file that only the XMP names (Google's container of items, each with its length)."""
    end = size
    for item in reversed(xmp.split(b"Container:Item")[1:]):
        semantic, length = _SEMANTIC.search(item), _LENGTH.search(item)
        if semantic is None or length is None:
            continue
        end -= int(length[1])
        if semantic[1] in _NOT_SEEN and end > 0 and read_at(stream, end, 3) == b"\xff\xd8\xff":
            yield FilePart(end, int(length[1]))


def _is_auxiliary(stream: BinaryIO, at: int) -> bool:
    """Whether the JPEG at ``at`` calls itself a gain map, a depth map or a matte."""
    found = read_segments(stream, at)
    return found.gain_map or bool(_AUXILIARY.search(found.xmp))


def _mpf_entries(data: bytes) -> list[tuple[int, int, int]]:
    """(attribute, length, offset) of each image in the MP index. The first offset is 0."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return []
    try:
        at = struct.unpack_from(order + "I", data, 4)[0]
        for place in range(struct.unpack_from(order + "H", data, at)[0]):
            tag, _, count, value = struct.unpack_from(order + "HHII", data, at + 2 + 12 * place)
            if tag == 0xB002:
                number = min(count // 16, _MAX_IMAGES)
                entries = [struct.unpack_from(order + "III", data, value + 16 * entry) for entry in range(number)]
                return [(int(a), int(b), int(c)) for a, b, c in entries]
    except struct.error:
        pass
    return []
