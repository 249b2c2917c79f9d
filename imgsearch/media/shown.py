"""Everything that is known of one picture file and of what lies beside it, each fact with its source."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.media.containers.reading import read_header
from imgsearch.media.decode import decode_file, open_upright
from imgsearch.media.decoded import DecodedImage
from imgsearch.media.facts.beside import sidecars_of, told_orientation
from imgsearch.media.facts.names import date_of_file
from imgsearch.media.facts.reading import NO_FACTS
from imgsearch.media.facts.sidecars import merged, read_sidecars
from imgsearch.media.facts.task import header_facts
from imgsearch.media.facts.words import distinct_words
from imgsearch.media.limits import LIMITS
from imgsearch.media.metadata.exif import orientation_of
from imgsearch.media.opening import readable_kind
from imgsearch.media.samples.whole import FileTraits, describe_file
from imgsearch.media.source import open_source
from imgsearch.records import FileFacts, MediaFacts


@dataclass(frozen=True, slots=True)
class ShownFile:
    """A picture file as it is now. ``content`` and ``traits`` are None where it cannot be decoded or described, and
    ``fault`` says why; ``facts`` are the file's own, or else of its sidecars, its name or its time."""

    size_bytes: int
    mtime_ns: int
    content: MediaFacts | None
    traits: FileTraits | None
    facts: FileFacts
    sidecars: tuple[Path, ...]
    fault: MediaError | None = None
    size: tuple[int, int] | None = None  # of the picture, upright; also where only the header can be read
    is_picture: bool = True  # False for what cannot be opened as one


def show_file(path: Path) -> ShownFile:
    """Read the file, its header and its sidecars. 10 to 200 ms. Raises OSError where it is not there."""
    status = path.stat()
    content, traits, fault, is_picture = None, None, None, False
    sidecars = sidecars_of(path)
    try:
        beside = read_sidecars(map(os.fspath, sidecars))
    except MediaError:
        beside = NO_FACTS
    own = NO_FACTS
    try:
        own = header_facts(path, LIMITS)
        is_picture = True
        decoded = decode_file(path, 64, pixels=False, told=beside.orientation or 0)
        assert isinstance(decoded, DecodedImage)  # no known hashes were given
        content = decoded.facts
        with suppress(MediaError):
            traits = describe_file(path)
    except MediaError as error:
        fault = error
    size = (content.width, content.height) if content else _header_size(path)
    date, source = date_of_file(path.name, status.st_mtime_ns)
    facts = merged([own, beside, FileFacts(taken_at=date, taken_source=source)])
    facts = replace(facts, camera=own.camera, words=distinct_words([*own.words, *beside.words]))
    return ShownFile(status.st_size, status.st_mtime_ns, content, traits, facts, sidecars, fault, size, is_picture)


def open_shown(path: Path, max_side: int) -> Image.Image:
    """`open_upright` with what lies beside the file. Raises MediaError."""
    return open_upright(path, max_side, told=told_orientation(path))


def _header_size(path: Path) -> tuple[int, int] | None:
    try:
        with open_source(os.fspath(path), LIMITS) as source:
            header = read_header(source.stream, readable_kind(source.head, source.name))
    except Exception:  # noqa: BLE001  damaged headers, of a file that cannot be decoded either
        return None
    width, height = header.extent[::-1] if orientation_of(header.exif) >= 5 else header.extent
    return (width, height) if width and height else None
