"""How an image moves: an animation that browsers play, or a film, inside the file (motion photos) or beside it (Live
Photos: the still and a MOV of its name)."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from cachetools import TTLCache

from imgsearch.dedup.belonging.companions import FILM_EXTENSIONS, companions_of
from imgsearch.dedup.belonging.folder_names import FolderNames
from imgsearch.errors import MediaError
from imgsearch.media.containers.film import begins_film
from imgsearch.media.containers.header import read_at
from imgsearch.media.containers.reading import read_header
from imgsearch.media.sniff import sniff
from imgsearch.storage.reads.gallery import ImageDetails, ImagePlace

ANIMATED = frozenset({"GIF", "PNG", "WEBP", "AVIF"})
"""Formats whose animations every browser plays. HEIC and JPEG XL sequences stay still."""

FILMED = frozenset({"JPEG", "MPO", "HEIF"})

_KEPT, _TRUE_S = 50_000, 600.0
_LISTED_S = 60.0
_MOST_BYTES = 256_000_000  # of a file whose headers are read: a GIF is read whole
_FILM_BYTES = 256_000_000  # of a film; a Live Photo's has 5 MB
_PIECE_BYTES, _OVERLAP = 1 << 20, 16
_QUICKTIME = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")  # older MOVs have no ftyp

Kind = Literal["animation", "film"]


@dataclass(frozen=True, slots=True)
class Motion:
    """``size_bytes`` from ``offset`` on in the file ``path`` move; of an animation, the whole file."""

    kind: Kind
    path: Path
    offset: int
    size_bytes: int


class Motions:
    """What is known of how images move. Safe between threads; reads headers once for a content and place."""

    def __init__(self) -> None:
        self._known: TTLCache[tuple[str, Path], Motion | None] = TTLCache(_KEPT, _TRUE_S)
        self._names, self._listed = FolderNames(), time.monotonic()
        self._lock, self._listing = threading.Lock(), threading.Lock()

    def of(self, image: ImageDetails) -> Motion | None:
        """The motion of an image, by the first file of it that is there; None if it stands still."""
        if image.record.facts.format not in ANIMATED | FILMED:
            return None
        for place in image.places:
            if not place.offline:
                return self._at(image.record.facts.content_hash, place)
        return None

    def _at(self, content_hash: str, place: ImagePlace) -> Motion | None:
        key = content_hash, place.path
        with self._lock:
            if key in self._known:
                return self._known[key]
        try:
            found = _inside(place) or self._beside(place)
        except (MediaError, OSError, ValueError):
            return None  # gone or damaged: looked at again next time
        with self._lock:
            self._known[key] = found
        return found

    def _beside(self, place: ImagePlace) -> Motion | None:
        """The film of a Live Photo: of the image's own name, ten seconds at most."""
        with self._listing:
            if time.monotonic() - self._listed > _LISTED_S:  # files come and go
                self._names, self._listed = FolderNames(), time.monotonic()
            names = self._names.of(str(place.path.parent))
        for path in companions_of(str(place.path), names):
            if path.lower().endswith(FILM_EXTENSIONS):
                with open_regular(Path(path)) as (stream, size):
                    head = read_at(stream, 0, 12)
                    if size <= _FILM_BYTES and (begins_film(head) or head[4:8] in _QUICKTIME):
                        return Motion("film", Path(path), 0, size)
        return None


@contextmanager
def open_regular(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """A regular file and its size. Raises OSError, without waiting, for a pipe or a device."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path} is not a regular file")
        yield stream, status.st_size


def _inside(place: ImagePlace) -> Motion | None:
    """An animation, or a film that follows the still in the same file."""
    with open_regular(place.path) as (stream, size):
        if size > _MOST_BYTES:
            return None
        kind = sniff(read_at(stream, 0, 4096), place.path.name)
        if kind.format in ANIMATED:
            moves = read_header(stream, kind).images > 1
            return Motion("animation", place.path, 0, size) if moves else None
        if kind.format in FILMED and read_header(stream, kind).film:
            start = _film_start(stream, size)
            return Motion("film", place.path, start, size - start) if start else None
    return None


def _film_start(stream: BinaryIO, size: int) -> int:
    """Where the film begins, 0 if none is found: a second `ftyp` box."""
    at, kept = 16, b""
    stream.seek(at)
    while at < size and (piece := stream.read(_PIECE_BYTES)):
        window = kept + piece
        place = window.find(b"ftyp", 4)
        while place >= 0:
            if begins_film(window[place - 4 : place + 8]):
                return at - len(kept) + place - 4
            place = window.find(b"ftyp", place + 4)
        at += len(piece)
        kept = window[-_OVERLAP:]
    return 0
