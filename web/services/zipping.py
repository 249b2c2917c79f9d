"""A zip of originals, made while it is sent: nothing is written to the disk."""

from __future__ import annotations

import contextlib
import re
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath
from typing import cast

from imgsearch.media.source import OpenFile
from imgsearch.storage import Store
from imgsearch.storage.reads.gallery import ImageDetails, ImagePlace, read_picture
from web.problems import Gone, printable

OpenFirst = Callable[[ImageDetails, contextlib.ExitStack], tuple[ImagePlace, OpenFile]]
"""Opens the first file that still holds an image; raises Gone."""

_BLOCK = 1 << 20
_MISSING = "not in this zip.txt"
_UNSAFE = re.compile(r'[/\\<>:"|?*\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]')
"""What some system allows in no name, as "12:30:01" on Windows, and what turns letters round."""


class _Sink:
    """What the zip writer writes, until it is sent. It cannot be sought, so the writer puts sizes behind each file."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, part: bytes) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def flush(self) -> None:
        return

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


def zipped(store: Store, ids: Sequence[int], stopping: threading.Event, open_first: OpenFirst) -> Iterator[bytes]:
    """The parts of a zip of the images ``ids``; it ends early once ``stopping`` is set.

    Stored, not packed: pictures are packed already. A picture that no file holds any more is named in a text at the
    end. A file that is cut short while it is read ends the answer, which a client sees: the zip has no end."""
    sink, names, missing = _Sink(), _Names(), list[str]()
    with zipfile.ZipFile(cast("zipfile._ZipWritable", sink), "w") as packing:
        for image_id in ids:
            picture = read_picture(store, image_id)
            if stopping.is_set():
                raise Gone("the server stops")
            if picture is None:
                missing.append(f"picture {image_id}: it is not in the library any more")
                continue
            try:
                yield from _added(packing, sink, picture, names, open_first)
            except Gone as error:
                missing.append(f"{picture.places[0].path}: {error.message}")
        if missing:
            packing.writestr(zipfile.ZipInfo(names.free(_MISSING), time.localtime()[:6]), "\n".join(missing) + "\n")
    yield sink.take()


def _added(
    packing: zipfile.ZipFile, sink: _Sink, picture: ImageDetails, names: _Names, open_first: OpenFirst
) -> Iterator[bytes]:
    """Raises Gone before anything was written."""
    with contextlib.ExitStack() as held:
        place, source = open_first(picture, held)
        moment = time.localtime(max(place.mtime_ns / 1e9, 315_619_200))[:6]  # a zip knows no year before 1980
        entry = zipfile.ZipInfo(names.free(place.path.name), min(moment, (2107, 12, 31, 23, 59, 58)))
        entry.file_size = source.size_bytes
        source.stream.seek(0)
        with packing.open(entry, "w") as inside:
            left = source.size_bytes
            while left:
                block = source.stream.read(min(_BLOCK, left))
                if not block:
                    raise OSError(f"{place.path} became shorter while it was sent")
                inside.write(block)
                left -= len(block)
                yield sink.take()


class _Names:
    """One name for each file of a zip: two folders may hold files of one name, and some systems know no case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def free(self, name: str) -> str:
        """``name`` as it may stand in a zip, with a number if another file has it."""
        plain = _UNSAFE.sub("_", printable(name)).strip(". ") or "picture"
        stem, suffix, number, free = PurePath(plain).stem, PurePath(plain).suffix, 1, plain
        while free.casefold() in self._taken:
            number += 1
            free = f"{stem} ({number}){suffix}"
        self._taken.add(free.casefold())
        return free
