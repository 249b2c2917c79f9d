"""Counts the images that each year, folder, camera and type would leave: by columns, else in SQL over the filters.

A count is the number of images that the filter would find. If a filter may be given several times and any one may hold
(`Filters.ANY`), its existing clauses do not count: a second year adds images and takes none away.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from imgsearch.records import Filters, Root
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.catalog.dialects import Condition, SqlConnection, dialect_of
from imgsearch.storage.catalog.filter_rules import PLAIN_FORMATS
from imgsearch.storage.catalog.filters import EVERY_FILE, Scope, file_condition, matching_image_ids
from imgsearch.storage.columns.counts import ColumnCounts
from imgsearch.storage.store import Store

_LIVE = "image_id NOT IN (SELECT image_id FROM deletions)"
_BESIDE = 2000
"""Files directly beside the folders, which are checked one by one: 20 us each."""

_FACTS = "SELECT substr(taken_at, 1, 4), camera, format FROM images WHERE {where}"
_NEXT = "SELECT min(relative_path) FROM files WHERE root_id = ? AND relative_path >= ?"
_WITHIN = "SELECT count(*) FROM files WHERE root_id = ? AND relative_path >= ? AND relative_path < ?"
_REPEATED = """SELECT relative_path, image_id FROM files WHERE root_id = ? AND image_id IN
    (SELECT image_id FROM files GROUP BY image_id HAVING count(*) > 1)"""
_SPAN = "SELECT root_id, min(relative_path), max(relative_path) FROM files WHERE {where} GROUP BY root_id"
_ENDS = """SELECT (SELECT min(relative_path) FROM files WHERE root_id = ?),
    (SELECT max(relative_path) FROM files WHERE root_id = ?)"""
_IN_ROOT = "SELECT count(DISTINCT image_id) FROM files WHERE root_id = ? AND {where}"
_CHILDREN = """SELECT substr(rest, 1, slash - 1), count(DISTINCT image_id)
    FROM (SELECT rest, instr(rest, ?) AS slash, image_id FROM
        (SELECT substr(relative_path, ?) AS rest, image_id FROM files WHERE root_id = ? AND {where}) AS cut) AS named
    WHERE slash > 0 GROUP BY 1"""


@dataclass(frozen=True, slots=True)
class Facets:
    """(value, images) each. ``years`` newest first; ``folders`` absolute, by name: those directly below the folder that
    holds all remaining images, or the roots; ``cameras`` and ``formats`` (of `MediaFacts`, camera RAW as "RAW") the
    most frequent first."""

    years: tuple[tuple[int, int], ...]
    folders: tuple[tuple[Path, int], ...]
    cameras: tuple[tuple[str, int], ...]
    formats: tuple[tuple[str, int], ...]


class _Counts(Protocol):
    """Where the numbers come from."""

    def facts(self, filters: Filters) -> tuple[Counter[str], Counter[str], Counter[str]]:
        """The number of images that the filters leave by the first four letters of the date, by camera, by format."""
        ...

    def folders(self, filters: Filters) -> Mapping[tuple[int, bytes], int]:
        """By root and path: see `Facets.folders`."""
        ...


def read_facets(store: Store, filters: Filters) -> Facets:
    """Compute the counts. By columns, where the library has them (`imgsearch.storage.columns`), 100 ms for a million
    images; without, 5 s of CPU without filters and up to 10 s with one that leaves most of them (on two busy cores).
    Hidden images count where ``filters`` ask for them."""
    filters = store.shown(filters)
    found = store.by_columns(lambda at_hand: _counted(ColumnCounts(at_hand), filters, at_hand.roots))
    if found is None:
        with store.catalog.look() as connection:
            roots = lookups.resolved_roots(connection, store.path)
            found = _counted(_CatalogCounts(connection, roots), filters, roots)
    return found


def _counted(counts: _Counts, filters: Filters, roots: Sequence[Root]) -> Facets:
    years = counts.facts(_without(filters, "year"))[0]
    folders = counts.folders(_one_folder(filters))
    places = {root.root_id: root.path for root in roots}
    below = [(places[root_id] / os.fsdecode(path), count) for (root_id, path), count in folders.items()]
    return Facets(
        tuple(sorted(((int(year), count) for year, count in years.items() if year.isdecimal()), reverse=True)),
        tuple(sorted(below) if len({root_id for root_id, _ in folders}) > 1 else below),
        _by_part(counts.facts(_without(filters, "camera"))[1]),
        _by_kind(counts.facts(_without(filters, "type"))[2]),
    )


def _by_part(cameras: Counter[str]) -> tuple[tuple[str, int], ...]:
    """``camera:`` matches every camera whose name holds the value, as SQL's LIKE compares: case counts only beyond
    ASCII."""
    keys = {name: name.encode("utf-8", "replace").lower() for name in cameras}
    rows = [(keys[name], count) for name, count in cameras.items()]
    return _by_count({name: sum(count for other, count in rows if key in other) for name, key in keys.items()})


def _by_kind(formats: Counter[str]) -> tuple[tuple[str, int], ...]:
    """The types, with camera RAW as one."""
    counts: Counter[str] = Counter()
    for kind, count in formats.items():
        counts[kind if kind in PLAIN_FORMATS else "RAW"] += count
    return _by_count(counts)


def _without(filters: Filters, name: str) -> Filters:
    return Filters(tuple(clause for clause in filters.clauses if clause.name != name or clause.unwanted))


def _one_folder(filters: Filters) -> Filters:
    """Keeps a single folder given by its path; drops words or several folders, which a new folder would replace."""
    wanted = [clause for clause in filters.clauses if clause.name == "folder" and not clause.unwanted]
    if len(wanted) == 1 and os.path.isabs(wanted[0].value):  # noqa: PTH117
        return filters
    return _without(filters, "folder")


class _CatalogCounts:
    """Counts by SQL over one catalog; the result of each set of filters is computed once."""

    def __init__(self, connection: SqlConnection, roots: Sequence[Root]) -> None:
        self._connection = connection
        self._roots = roots
        self._known: dict[Filters, Condition] = {}
        self._counts: dict[Filters, tuple[Counter[str], Counter[str], Counter[str]]] = {}

    def folders(self, filters: Filters) -> dict[tuple[int, bytes], int]:
        where, values = self._files(filters)
        spans = self._spans(where, values)
        if len(spans) > 1:
            count = _IN_ROOT.format(where=where)
            return {
                (root_id, b""): self._connection.execute(count, (root_id, *values)).fetchone()[0]
                for root_id, first, _ in spans
                if first  # a root that is a single file has the path ''
            }
        return {
            (root_id, above + child): count
            for root_id, first, last in spans
            for above in [_common_folder(first, last)]
            for child, count in self._children(root_id, above, (where, values))
        }

    def _spans(self, where: str, values: list[Any]) -> list[tuple[int, bytes, bytes]]:
        """(root, first path, last path) of every root with such files; two steps in the index if all files count."""
        if (where, values) != EVERY_FILE:
            return self._connection.execute(_SPAN.format(where=where), values).fetchall()
        found = [
            (root.root_id, *self._connection.execute(_ENDS, (root.root_id,) * 2).fetchone()) for root in self._roots
        ]
        return [row for row in found if row[1] is not None]

    def _children(self, root_id: int, above: bytes, wanted: Condition) -> list[tuple[bytes, int]]:
        """The folders directly below ``above`` and their number of images."""
        found = self._children_by_index(root_id, above) if wanted == EVERY_FILE else None
        if found is None:
            where, values = wanted
            given = (b"/", len(above) + 1, root_id, *values)
            found = self._connection.execute(_CHILDREN.format(where=where), given).fetchall()
        return found

    def _children_by_index(self, root_id: int, above: bytes) -> list[tuple[bytes, int]] | None:
        """The same for all files, 50 times as fast at a million, because a folder's paths stand together in the index.
        None if too many files lie beside the folders."""
        excess = self._excess(root_id, above)
        found: list[tuple[bytes, int]] = []
        beside, place = 0, above
        while beside < _BESIDE:
            (path,) = self._connection.execute(_NEXT, (root_id, place)).fetchone()
            if path is None or not path.startswith(above):
                return found
            child, slash, _ = path[len(above) :].partition(b"/")
            if not slash:
                beside, place = beside + 1, path + b"\0"
                continue
            place = above + child + b"0"  # the byte behind "/"
            (files,) = self._connection.execute(_WITHIN, (root_id, above + child + b"/", place)).fetchone()
            found.append((child, files - excess[child]))
        return None

    def _excess(self, root_id: int, above: bytes) -> Counter[bytes]:
        """How many more files than images each folder has."""
        rows = self._connection.execute(_REPEATED, (root_id,))
        below = [(path[len(above) :].partition(b"/")[0], image_id) for path, image_id in rows if path.startswith(above)]
        return Counter(child for child, _ in below) - Counter(child for child, _ in set(below))

    def facts(self, filters: Filters) -> tuple[Counter[str], Counter[str], Counter[str]]:
        """All three are counted in one pass."""
        if filters not in self._counts:
            where, values = self._images(filters)
            counts = self._counts[filters] = (Counter(), Counter(), Counter())
            rows = Counter(self._connection.execute(_FACTS.format(where=where), values))
            for row, count in rows.items():
                for place, value in enumerate(row):
                    if value is not None:
                        counts[place][value] += count
        return self._counts[filters]

    def _images(self, filters: Filters) -> Condition:
        """SQL over ``images`` or ``files`` for the images that the filters leave."""
        if not filters:
            return _LIVE, []
        if filters not in self._known:
            found = matching_image_ids(self._connection, filters, self._roots)
            self._known[filters] = dialect_of(self._connection).among("image_id", found.tolist())
        return self._known[filters]

    def _files(self, filters: Filters) -> Condition:
        """SQL over ``files`` for the files of those images that match the filters themselves."""
        if not filters:
            return EVERY_FILE
        values: list[Any]
        sql, values = self._images(filters)
        of_file, given = file_condition(filters, Scope(self._roots, dialect_of(self._connection)))
        return f"{sql} AND {of_file}", [*values, *given]


def _by_count(counts: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda row: (-row[1], row[0])))


def _common_folder(first: bytes, last: bytes) -> bytes:
    """The folder that holds all paths between these two in the order of their bytes, with a slash behind; b"" for the
    root."""
    shared = next(
        (place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last))
    )
    return first[: first.rfind(b"/", 0, shared) + 1]
