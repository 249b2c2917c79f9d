"""Facts of images and files as arrays, read from the catalog. The SQL of all columns is here and in `changes.py`."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgsearch.records import FILE_SOURCES, Int64
from imgsearch.storage.catalog import words
from imgsearch.storage.catalog.dialects import SqlConnection, dialect_of
from imgsearch.storage.catalog.sqlite_reads import chunks, marks
from imgsearch.storage.catalog.texts import image_texts

ROW_PAGE = 65_536
OWN, TAG, CAPTION, TEXT = 1, 2, 4, 8
"""Bits of ``flags``: the content has its own date; people gave tags or names; it has a caption; words were read."""

NO_RATING = -128
DAY_BYTES = 10
"""Of a date, ``2019-07-14``: the values of `after:`, `before:` and `year:` are no longer."""

MOST_DATE = 40
"""Bytes of a whole date, by which images are put in order: ``2015-08-22T00:08:19.123456+02:00`` has 32."""

_OWN_DATE = f"taken_at IS NOT NULL AND coalesce(taken_source, 'exif') NOT IN {FILE_SOURCES}"  # as has:date asks
_IMAGES = f"""SELECT image_id, taken_at, camera, format, width, height, latitude, longitude, rating, {_OWN_DATE}
    FROM images WHERE image_id NOT IN (SELECT image_id FROM deletions){{among}} ORDER BY image_id"""
_FILES = "SELECT file_id, image_id, root_id, relative_path FROM files WHERE TRUE{among} ORDER BY file_id"
_HAVING = {
    TAG: ("SELECT image_id FROM image_words WHERE kind IN ('tag', 'person'){among}",),
    CAPTION: (
        "SELECT image_id FROM captions WHERE TRUE{among}",
        "SELECT image_id FROM image_words WHERE kind = 'caption'{among}",
    ),
    TEXT: ("SELECT image_id FROM images WHERE {has_text}{among}",),
}

Array = NDArray[Any]


@dataclass(frozen=True)
class Columns:
    """The facts of N live images and their F files; ``get`` gives an array by its name:

    image_id int64 [N] ascending; day [N], a place in ``days``; kind and camera [N], places in ``kinds`` and
    ``cameras`` (0: none); width, height [N]; latitude, longitude float64 [N], NaN where unknown; rating int8 [N];
    flags uint8 [N]; ordered int32 [M], the dated images by date, then id, and their dates ``taken`` bytes [M].
    file_id int64 [F] ascending; file_image int32 [F], a place in image_id; file_folder [F], a place among the K
    folders: folder_root int64 [K], ``folder_paths``, by root and path; repeated int32, the files of images that have
    several. Lists of texts are ``NAME`` (bytes behind one another) and ``NAME_ends`` int64."""

    get: Callable[[str], Array]

    @cached_property
    def image_ids(self) -> Int64:
        """int64 [N], ascending."""
        return self.get("image_id")

    @cached_property
    def file_ids(self) -> Int64:
        """int64 [F], ascending."""
        return self.get("file_id")

    @cached_property
    def cameras(self) -> list[str]:
        """The names of cameras; the first is "", for images without one."""
        return [text.decode("utf-8") for text in self._texts("cameras")]

    @cached_property
    def kinds(self) -> list[str]:
        """The formats of `MediaFacts`."""
        return [text.decode("utf-8") for text in self._texts("kinds")]

    @cached_property
    def folders(self) -> list[tuple[int, bytes]]:
        """(root id, path with a slash behind, b"" for the root itself) of each folder that holds files; of a root that
        is a file `SINGLE` in place of the path."""
        return list(zip(self.get("folder_root").tolist(), self._texts("folder_paths"), strict=True))

    def folders_below(self, root_id: int, beginning: bytes) -> slice:
        """The places of the folders of a root whose paths begin so: with a folder and a slash, or b"" for all."""
        if not beginning:
            return slice(bisect_left(self.folders, (root_id, b"")), bisect_left(self.folders, (root_id + 1, b"")))
        last = beginning[:-1] + b"0"  # the byte behind "/"
        return slice(bisect_left(self.folders, (root_id, beginning)), bisect_left(self.folders, (root_id, last)))

    @cached_property
    def folder_words(self) -> tuple[bytes, Int64]:
        """The indexed words of each folder, one folder a line, and where each line ends."""
        return self.get("folder_words").tobytes(), self.get("folder_words_ends")

    @cached_property
    def folder_tables(self) -> dict[Any, NDArray[np.bool_]]:
        """bool [K] for values of ``folder:`` that were asked for; filled by `conditions`."""
        return {}

    def rows_of(self, image_ids: Int64) -> Int64:
        """The places, ascending, of those of ``image_ids`` that are here."""
        return places_in(self.image_ids, image_ids)

    def _texts(self, name: str) -> list[bytes]:
        content, ends = self.get(name).tobytes(), self.get(f"{name}_ends").tolist()
        return [content[start:end] for start, end in itertools.pairwise([0, *ends])]


SINGLE = b"\0"
"""In place of the folder of a root that is a single file; no path holds it."""


def places_in(ascending: Int64, values: Int64) -> Int64:
    """The places, ascending, in ``ascending`` of those ``values`` that it holds."""
    if not len(ascending):
        return np.empty(0, np.int64)
    places = np.searchsorted(ascending, values).clip(max=len(ascending) - 1)
    return np.sort(places[ascending[places] == values]).astype(np.int64)


def read_columns(connection: SqlConnection, image_ids: Int64 | None = None) -> dict[str, Array]:
    """Every live image's facts, or those of ``image_ids``, as `Columns` wants them. A million: 8 s and 0.6 GB."""
    reading = _Reading(connection, image_ids)
    arrays = _image_arrays(reading)
    arrays["flags"] |= _flags(reading, arrays["image_id"])
    return {**arrays, **_file_arrays(reading, arrays["image_id"])}


@dataclass(frozen=True, slots=True)
class _Reading:
    """Rows of all images, or of some."""

    connection: SqlConnection
    image_ids: Int64 | None

    def pages(self, statement: str) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of ``statement``, some thousands at a time; it holds ``{among}`` behind its conditions."""
        has_text = dialect_of(self.connection).has_words(image_texts.INDEX)
        if self.image_ids is None:
            rows = self.connection.execute(statement.format(among="", has_text=has_text))
            while page := rows.fetchmany(ROW_PAGE):
                yield page
            return
        for chunk in chunks(self.image_ids.tolist()):
            limited = statement.format(among=f" AND image_id IN ({marks(chunk)})", has_text=has_text)
            if page := self.connection.execute(limited, chunk).fetchall():
                yield page


def _image_arrays(reading: _Reading) -> dict[str, Array]:
    days, cameras, kinds = _Codes(), _Codes(None), _Codes()
    names = ("image_id", "day", "camera", "kind", "width", "height", "latitude", "longitude", "rating", "flags")
    pages: list[list[Array]] = []
    dates: list[bytes] = []
    for page in reading.pages(_IMAGES):
        ids, taken, camera, kind, width, height, north, east, rating, own = zip(*page, strict=True)
        known = [(text or "").encode() for text in taken]
        dates += known
        pages.append(
            [
                np.array(ids, np.int64),
                days.of(text[:DAY_BYTES] for text in known),
                cameras.of(camera),
                kinds.of(kind),
                np.array(width, np.int64),
                np.array(height, np.int64),
                np.array(north, np.float64),
                np.array(east, np.float64),
                np.array([NO_RATING if stars is None else max(-9, min(9, stars)) for stars in rating], np.int8),
                np.array(own, np.uint8) * np.uint8(OWN),
            ]
        )
    kinds_of = {"latitude": np.float64, "longitude": np.float64, "rating": np.int8, "flags": np.uint8}
    whole = [np.concatenate(parts) for parts in zip(*pages, strict=True)] if pages else []
    arrays = dict(zip(names, whole or [np.empty(0, kinds_of.get(name, np.int64)) for name in names], strict=True))
    known_days, arrays["day"] = days.sorted(arrays["day"])
    for name in ("day", "camera", "kind", "width", "height"):
        arrays[name] = narrow(arrays[name])
    taken_at = np.array(dates, f"S{max(1, min(MOST_DATE, max(map(len, dates), default=1)))}")
    ordered = np.argsort(taken_at, kind="stable")
    ordered = ordered[int(np.count_nonzero(taken_at == b"")) :]
    return {
        **arrays,
        "days": np.array(known_days, f"S{DAY_BYTES}"),
        "ordered": ordered.astype(np.int32),
        "taken": taken_at[ordered],
        **texts("cameras", ((name or "").encode() for name in cameras.values)),
        **texts("kinds", (name.encode() for name in kinds.values)),
    }


def _flags(reading: _Reading, image_ids: Int64) -> NDArray[np.uint8]:
    flags = np.zeros(len(image_ids), np.uint8)
    for bit, statements in _HAVING.items():
        for statement in statements:
            for page in reading.pages(statement):
                found = np.unique(np.array(page, np.int64)[:, 0])
                flags[places_in(image_ids, found)] |= np.uint8(bit)
    return flags


def _file_arrays(reading: _Reading, image_ids: Int64) -> dict[str, Array]:
    folders = _Codes()
    pages = [(np.empty(0, np.int64),) * 3]
    for page in reading.pages(_FILES):
        ids, images, roots, paths = zip(*page, strict=True)
        keys = ((root, _folder_of(path)) for root, path in zip(roots, paths, strict=True))
        pages.append((np.array(ids, np.int64), np.array(images, np.int64), folders.of(keys)))
    file_ids, images_of, codes = (np.concatenate(parts) for parts in zip(*pages, strict=True))
    there = np.flatnonzero(np.isin(images_of, image_ids))  # all of them, or `imgsearch verify` complains
    there = there[np.argsort(file_ids[there], kind="stable")]
    file_ids, images_of = file_ids[there], images_of[there]
    known, codes = folders.sorted(codes[there])
    file_image = np.searchsorted(image_ids, images_of).astype(np.int32)
    counts = np.bincount(file_image, minlength=len(image_ids))
    indexed = [words.folder_words(b"" if path == SINGLE else path).encode() for _, path in known]
    return {
        "file_id": file_ids,
        "file_image": file_image,
        "file_folder": narrow(codes),
        "repeated": np.flatnonzero(counts[file_image] > 1).astype(np.int32),
        "folder_root": np.array([root for root, _ in known], np.int64),
        **texts("folder_paths", (path for _, path in known)),
        **texts("folder_words", (b" %s \n" % text for text in indexed)),
    }


def _folder_of(path: bytes) -> bytes:
    """Up to the last slash, with it."""
    return path[: path.rfind(b"/") + 1] if path else SINGLE


class _Codes:
    """Numbers for values, in the order in which they come."""

    def __init__(self, *first: Any) -> None:
        self._numbers: dict[Any, int] = {value: number for number, value in enumerate(first)}

    @property
    def values(self) -> list[Any]:
        return list(self._numbers)

    def of(self, values: Iterable[Any]) -> Int64:
        """int64 [n]: the number of each."""
        numbers = self._numbers
        return np.array([numbers.setdefault(value, len(numbers)) for value in values], np.int64)

    def sorted(self, codes: Int64) -> tuple[list[Any], Int64]:
        """The values in order, and ``codes`` as places among them."""
        values = self.values
        order = sorted(range(len(values)), key=values.__getitem__)
        places = np.empty(len(values), np.int64)
        places[order] = np.arange(len(values))
        return [values[number] for number in order], places[codes]


def narrow(numbers: Int64) -> Array:
    """The same numbers in the smallest type that holds them."""
    least, most = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, 0)
    kinds = (np.uint8, np.uint16, np.int32, np.int64)
    return numbers.astype(next(kind for kind in kinds if np.iinfo(kind).min <= least <= most <= np.iinfo(kind).max))


def texts(name: str, values: Iterable[bytes]) -> dict[str, Array]:
    """A list of texts as two arrays."""
    listed = list(values)
    ends = np.cumsum([len(value) for value in listed], dtype=np.int64)
    return {name: np.frombuffer(b"".join(listed), np.uint8), f"{name}_ends": ends}
