"""All samples of a picture file, of every frame and page and at full depth, as one digest."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from typing import BinaryIO

from imgsearch.errors import MediaError
from imgsearch.media.colour.profile import adobe_rgb, profile_name
from imgsearch.media.colour.rows import ImageDigest, digest_rows
from imgsearch.media.containers.header import Header
from imgsearch.media.containers.reading import read_header
from imgsearch.media.facts.shot import ShotFacts, is_adobe_rgb
from imgsearch.media.formats import other_samples
from imgsearch.media.formats.frames import Frame, Frames, Opened, open_frames
from imgsearch.media.limits import LIMITS, DecodeLimits
from imgsearch.media.opening import decoding, readable_kind, translated
from imgsearch.media.sniff import Kind
from imgsearch.media.source import OpenFile, open_source, read_and_hash, read_known

MAX_IMAGES = 10_000
MAX_PIXELS = 2_000_000_000
"""Of all pictures of one file together; 20 s of one core. A file with more is not compared by its samples."""

_COMPARED = frozenset(("JPEG", "PNG", "GIF", "WEBP", "TIFF", "HEIF", "AVIF", "JPEG2000", "BMP", "ICO", "PPM", "QOI"))
_COMPARED |= other_samples.COMPARED
"""Files of other formats are copies of none but their own bytes."""

_MOST_REASONS = 3


@dataclass(frozen=True, slots=True)
class Samples:
    """What `read_samples` found. Equal digests mean equal files of pictures only where ``lost`` is empty; a digest that
    something is missing from is made of the file's bytes, and equals none but their own."""

    digest: bytes
    """sha256 over all pictures in their order, with their frames' durations and how often they are shown; of a single
    one its ``main_digest``."""
    main_digest: bytes
    """sha256 of the main picture: its upright size, colour space, samples and transparency."""
    images: int
    depth: int
    """The most bits a sample that a picture makes use of: 8 for one of 16 bits that was made of 8."""
    transparent: bool
    """A sample of some picture is not opaque."""
    colour: bool
    """Some picture is not all grey."""
    lost: tuple[str, ...] = ()
    """What could not be read, or not at full depth, in words."""


def read_samples(
    path: str | os.PathLike[str], *, content_hash: str | None = None, limits: DecodeLimits = LIMITS
) -> Samples:
    """Decode every picture of a file, one at a time; a camera RAW, and what else is not `_COMPARED`, is its bytes. With
    a ``content_hash`` the bytes must have it. 200 ms of one core for 12 megapixels of JPEG. Raises ContentChanged, and
    MediaError where the file or its main picture cannot be read."""
    with translated("read"), open_source(os.fspath(path), limits) as source:
        return samples_of(source, content_hash, limits)[1]


def samples_of(source: OpenFile, content_hash: str | None, limits: DecodeLimits) -> tuple[Header, Samples]:
    """The same of a file that is open, with its header."""
    kind = readable_kind(source.head, source.name)
    file_hash, stream = _hashed(source, content_hash)
    stream.seek(0)
    header = read_header(stream, kind)
    if header.raw or kind.format not in _COMPARED or (kind.format in other_samples.COMPARED and header.hidden):
        return header, _of_bytes(file_hash, header)
    file = Opened(stream, kind, source.size_bytes, header, colour_space(header), limits)
    with decoding(kind):
        other = other_samples.read_other(file)
    if other is not None:
        return header, _read_all(file, _Single(other), file_hash)
    with decoding(kind), open_frames(file) as frames:
        return header, _read_all(file, frames, file_hash)


@dataclass(slots=True)
class _Single:
    """A file's only picture, read already."""

    frame: Frame
    count: int = 1
    main: int = 0

    def read(self, place: int) -> Frame:
        return self.frame


def colour_space(header: Header, facts: ShotFacts | None = None) -> str:
    """The short name of a file's colour space (`imgsearch.media.colour.profile`), also of Adobe RGB told without a
    profile. ``facts`` where they are read already."""
    name = profile_name(header.icc, header.cicp, header.space, header.gamma)
    if name or header.icc or header.space != "RGB":
        return name
    return adobe_rgb() if (is_adobe_rgb(header.exif) if facts is None else facts.adobe_rgb) else name


def _hashed(source: OpenFile, content_hash: str | None) -> tuple[str, BinaryIO]:
    return read_and_hash(source) if content_hash is None else (content_hash, read_known(source, content_hash))


def _of_bytes(file_hash: str, header: Header) -> Samples:
    digest = _byte_digest(file_hash)
    return Samples(digest, digest, 1, header.depth, transparent=False, colour=True)


def _byte_digest(file_hash: str) -> bytes:
    return hashlib.sha256(f"file {file_hash}\n".encode()).digest()


@dataclass(slots=True)
class _Sum:
    """What has been read so far."""

    main: ImageDigest | None = None
    digest: list[bytes] = field(default_factory=list)
    depth: int = 1
    transparent: bool = False
    colour: bool = False
    main_lost: bool = False
    lost: list[str] = field(default_factory=list)

    def add(self, frame: Frame, found: ImageDigest) -> None:
        self.digest.append(found.digest + frame.duration.to_bytes(8, "big", signed=True))
        narrow = found.depth <= 8 or not frame.depth
        self.depth = max(self.depth, found.depth if narrow else frame.depth)
        self.transparent = self.transparent or found.transparent
        self.colour = self.colour or found.colour


def _read_all(file: Opened, frames: Frames, file_hash: str) -> Samples:
    """Every picture; where something is lost on the way, at least the main one. Raises MediaError without it."""
    total, main, width, height = _Sum(), frames.main, *file.header.extent
    total.lost += file.header.hidden
    if frames.count > MAX_IMAGES or frames.count * width * height > MAX_PIXELS:
        total.lost.append("too many pictures")
    for place in range(frames.count):
        if place != main and total.lost and (total.main is not None or "too many pictures" in total.lost):
            if place > main:
                break
            continue
        try:
            frame = _read_one(frames, place, file.kind)
        except MediaError as error:
            if place == main:
                raise
            total.lost.append(f"picture {place + 1}: {error.message}")
            continue
        found = digest_rows(frame.rows, frame.profile)
        total.add(frame, found)
        if frame.lost:
            total.lost.append(frame.lost)
        if place == main:
            total.main, total.main_lost = found, bool(frame.lost)
    return _samples(total, frames.count, file.header.plays, file_hash)


def _read_one(frames: Frames, place: int, kind: Kind) -> Frame:
    with decoding(kind):
        return frames.read(place)


def _samples(total: _Sum, count: int, plays: int, file_hash: str) -> Samples:
    assert total.main is not None  # the main picture was read, or its error raised
    unlike = _byte_digest(file_hash)
    head = f"{count} pictures\n" + (f"{plays} times\n" if plays else "")
    whole = hashlib.sha256(head.encode() + b"".join(total.digest)).digest()
    main = unlike if total.main_lost else total.main.digest
    return Samples(
        digest=unlike if total.lost else main if count == 1 else whole,
        main_digest=main,
        images=count,
        depth=total.depth,
        transparent=total.transparent,
        colour=total.colour,
        lost=tuple(dict.fromkeys(total.lost))[:_MOST_REASONS],
    )
