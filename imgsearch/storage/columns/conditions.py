"""What a filter says of the images in columns: masks that agree with the SQL of `catalog.filters` in every case."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgsearch import wordforms
from imgsearch.records import Clause, Filters, Int64, Root
from imgsearch.storage.catalog import filter_rules as rules
from imgsearch.storage.catalog import words
from imgsearch.storage.catalog.collected.marks import is_mark
from imgsearch.storage.catalog.dialects import SqlConnection, dialect_of
from imgsearch.storage.catalog.filters import Scope, file_condition, matching_image_ids
from imgsearch.storage.columns.tables import CAPTION, NO_RATING, OWN, SINGLE, TAG, TEXT, Columns, places_in

Mask = NDArray[np.bool_]
ASKED_OF_SQL = ("name", "tag", "caption", "text", "album")
"""Filters about words that no column holds: their index is in the catalog. Albums and marks (`is_mark`) change more
often than columns are made, and hold few images: 10 us each, measured with 20,000 of 300,000 in an album."""


FOLDERS_KEPT = 32
"""Values of ``folder:`` whose folders are kept for the next page, or the next count."""


class CatalogIds:
    """The ids that the catalog itself gives for the clauses that no column covers: of files for ``name``, else of
    images. Each is asked once, whatever parts the columns have."""

    def __init__(self, connection: SqlConnection, roots: Sequence[Root]) -> None:
        self.roots = roots
        self._connection = connection
        self._known: dict[Clause, Int64] = {}

    def ids(self, clause: Clause) -> Int64:
        """int64 [n], ascending."""
        if clause not in self._known:
            wanted = Filters((replace(clause, unwanted=False),))
            if clause.name == "name":
                sql, values = file_condition(wanted, Scope(self.roots, dialect_of(self._connection)))
                rows = self._connection.execute(f"SELECT file_id FROM files WHERE {sql} ORDER BY file_id", values)
                self._known[clause] = np.fromiter((row[0] for row in rows), np.int64)
            else:
                self._known[clause] = matching_image_ids(self._connection, wanted, self.roots)
        return self._known[clause]


def matching(columns: Columns, filters: Filters, asked: CatalogIds) -> Mask:
    """bool [N]: which images the filters leave, as `catalog.filters.matching_image_ids` says it. A million: 1 to 5 ms a
    clause, and what the catalog takes for `ASKED_OF_SQL`."""
    mask = np.ones(len(columns.image_ids), np.bool_)
    for group in rules.groups(filters):
        if rules.is_of_file(group):
            continue
        found = _of_group(columns, group, asked)
        if group[0].unwanted:
            np.logical_not(found, out=found)
        mask &= found
    inside = files_matching(columns, filters, asked)
    if inside is not None:
        mask &= _with_file(columns, inside)
    return mask


def files_matching(columns: Columns, filters: Filters, asked: CatalogIds) -> Mask | None:
    """bool [F]: the files for which all wanted clauses about files hold; None if there is no such clause."""
    mask: Mask | None = None
    for group in filter(rules.is_of_file, rules.groups(filters)):
        found = _files_of_group(columns, group, asked)
        mask = found if mask is None else mask & found
    return mask


def _of_group(columns: Columns, group: Sequence[Clause], asked: CatalogIds) -> Mask:
    """bool [N]: the images for which any clause holds; of clauses about files, for any of their files."""
    if group[0].name in rules.OF_FILE:
        return _with_file(columns, _files_of_group(columns, group, asked))
    found = _of_image(columns, group[0], asked)
    for clause in group[1:]:
        found |= _of_image(columns, clause, asked)
    return found


def _with_file(columns: Columns, files: Mask) -> Mask:
    mask = np.zeros(len(columns.image_ids), np.bool_)
    mask[columns.get("file_image")[files]] = True
    return mask


def _files_of_group(columns: Columns, group: Sequence[Clause], asked: CatalogIds) -> Mask:
    if group[0].name == "name":
        mask = np.zeros(len(columns.file_ids), np.bool_)
        for clause in group:
            mask[places_in(columns.file_ids, asked.ids(clause))] = True
        return mask
    table = np.zeros(len(columns.folders), np.bool_)
    for clause in group:
        table |= folders_matching(columns, clause.value, asked.roots)
    return table.take(columns.get("file_folder"))


def folders_matching(columns: Columns, value: str, roots: Sequence[Root]) -> Mask:
    """bool [K]: the folders for which ``folder:value`` holds. The last ones are kept: a pattern takes 1 us a folder."""
    known = columns.folder_tables
    key = (value, *((root.root_id, str(root.path), rules.folder_of_root(root)) for root in roots))
    if key not in known:
        if len(known) >= FOLDERS_KEPT:
            known.clear()
        known[key] = _folders_matching(columns, value, roots)
    return known[key].copy()


def _folders_matching(columns: Columns, value: str, roots: Sequence[Root]) -> Mask:
    place = rules.expanded(value)
    if any(mark in place for mark in "*?"):
        by_id = {root.root_id: rules.folder_of_root(root) for root in roots}
        fits = {key: _fits(place, by_id.get(key[0]), key[1]) for key in columns.folders}
        return np.fromiter(fits.values(), np.bool_, len(fits))
    if place.startswith("/"):
        table = np.zeros(len(columns.folders), np.bool_)
        for root_id, beginning in rules.beginnings(place, roots).items():
            table[columns.folders_below(root_id, beginning)] = True
        return table
    inside = {root.root_id for root in roots if rules.holds(value, rules.folder_of_root(root))}
    return _worded(columns, value) | np.isin(columns.get("folder_root"), sorted(inside))


def _fits(pattern: str, root: str | None, path: bytes) -> bool:
    """By the text as SQLite is given it; see `catalog.filters`."""
    if root is None:
        return False
    if words.folder_fits(pattern, root):
        return True
    pattern, root = rules.sql_text(pattern), rules.sql_text(root)
    return words.folder_fits(pattern, root, b"" if path == SINGLE else path[:-1])


def _worded(columns: Columns, value: str) -> Mask:
    """Folders that hold the words one after the other, and all signs."""
    table = np.zeros(len(columns.folders), np.bool_)
    readings = [reading for reading in wordforms.readings(value) if reading]
    signs = rules.signs(value)
    if not (readings or signs):
        return table
    if readings:
        content, ends = columns.folder_words
        for reading in readings:
            wanted = f" {' '.join(reading)} ".encode()
            places = [found.start() for found in re.finditer(re.escape(wanted), content)]
            table[np.searchsorted(ends, places, side="right")] = True
    else:
        table[:] = True
    if signs:
        paths = (b"" if path == SINGLE else path for _, path in columns.folders)
        table &= np.fromiter((words.folder_holds_signs(signs, path) for path in paths), np.bool_, len(table))
    return table


def _of_image(columns: Columns, clause: Clause, asked: CatalogIds) -> Mask:
    if clause.name in ASKED_OF_SQL or is_mark(clause):
        mask = np.zeros(len(columns.image_ids), np.bool_)
        mask[places_in(columns.image_ids, asked.ids(clause))] = True
        return mask
    return _CONDITIONS[clause.name](columns, clause.value)


def _by_day(fits: Callable[[NDArray[np.bytes_]], Mask]) -> Callable[[Columns], Mask]:
    """Dates compared as texts, as SQL does; only whole days differ for values of at most ten letters."""

    def mask(columns: Columns) -> Mask:
        days = columns.get("days")
        found: Mask = (fits(days) & (days != b"")).take(columns.get("day"))
        return found

    return mask


def _after(columns: Columns, value: str) -> Mask:
    return _by_day(lambda days: days >= value.encode())(columns)


def _before(columns: Columns, value: str) -> Mask:
    wanted = value.encode()
    return _by_day(lambda days: (days < wanted) & ~_beginning_of(days, wanted))(columns)


def _beginning_of(days: NDArray[np.bytes_], wanted: bytes) -> Mask:
    """Days that ``wanted`` begins with: a year or a month in which it lies."""
    return np.isin(days, np.array([wanted[:length] for length in range(1, len(wanted) + 1)], days.dtype))


def _year(columns: Columns, value: tuple[int, int]) -> Mask:
    first, behind = f"{value[0]:04d}".encode(), f"{value[1] + 1:04d}".encode()
    return _by_day(lambda days: (days >= first) & (days < behind))(columns)


def _camera(columns: Columns, value: str) -> Mask:
    """As LIKE compares: case does not count within ASCII."""
    wanted = value.encode("utf-8", "replace").lower()
    table = np.array([number > 0 and wanted in name.encode().lower() for number, name in enumerate(columns.cameras)])
    return table.take(columns.get("camera"))


def _type(columns: Columns, value: str) -> Mask:
    raw = value == "RAW"
    table = [kind not in rules.PLAIN_FORMATS if raw else kind == value for kind in columns.kinds]
    return np.array(table, np.bool_).take(columns.get("kind"))


def _between(name: str) -> Callable[[Columns, tuple[int, int]], Mask]:
    def mask(columns: Columns, value: tuple[int, int]) -> Mask:
        numbers = columns.get(name)
        info = np.iinfo(numbers.dtype)
        least, most = max(value[0], int(info.min)), min(value[1], int(info.max))
        if least > most:
            return np.zeros(len(numbers), np.bool_)
        found: Mask = (numbers >= least) & (numbers <= most)
        return found

    return mask


def _shape(columns: Columns, value: str) -> Mask:
    width, height = columns.get("width"), columns.get("height")
    if value == "landscape":
        return _longer(width, height)
    if value == "portrait":
        return _longer(height, width)
    return ~(_longer(width, height) | _longer(height, width))


def _longer(one: Int64, other: Int64) -> Mask:
    found: Mask = one > other * np.float64(rules.SQUARE)
    return found


def _has(columns: Columns, value: str) -> Mask:
    if value == "gps":
        return ~(np.isnan(columns.get("latitude")) | np.isnan(columns.get("longitude")))
    if value == "camera":
        return np.asarray(columns.get("camera") != 0)
    if value == "rating":
        return np.asarray(columns.get("rating") != NO_RATING)
    bit = {"date": OWN, "tag": TAG, "caption": CAPTION, "text": TEXT}[value]
    return np.asarray(columns.get("flags") & np.uint8(bit) != 0)


def _rating(columns: Columns, value: tuple[int, int]) -> Mask:
    stars = columns.get("rating")
    if value == (0, 0):
        return np.asarray(stars == NO_RATING)
    return np.asarray((stars >= value[0]) & (stars <= value[1]))


def _near(columns: Columns, value: tuple[float, float, float]) -> Mask:
    north, east = columns.get("latitude"), columns.get("longitude")
    south, top = rules.belt(value)
    rows = np.flatnonzero((north >= south) & (north <= top) & ~np.isnan(east))
    mask = np.zeros(len(north), np.bool_)
    mask[rows[rules.within(north[rows], east[rows], value)]] = True
    return mask


_CONDITIONS: dict[str, Callable[[Columns, Any], Mask]] = {
    "after": _after,
    "before": _before,
    "year": _year,
    "camera": _camera,
    "type": _type,
    "width": _between("width"),
    "height": _between("height"),
    "is": _shape,
    "has": _has,
    "rating": _rating,
    "near": _near,
}
