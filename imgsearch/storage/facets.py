"""How many pictures each year, folder, camera and type would leave: counted in SQL over what the filters leave.

A count is what the filter would find. Of a name that may be given twice, where any one may hold (`Filters.ANY`), the
clauses that are there already do not count: a second year adds pictures, it does not take any away.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgsearch.records import Filters, Root
from imgsearch.storage import lookups
from imgsearch.storage.filters import PLAIN_FORMATS, Condition, file_condition, matching_image_ids
from imgsearch.storage.store import Store

_LIVE = "image_id NOT IN (SELECT image_id FROM deletions)"
_SLASH = "x'2f'"
_SPAN = "SELECT root_id, min(relative_path), max(relative_path) FROM files WHERE {where} GROUP BY root_id"
_IN_ROOT = "SELECT count(DISTINCT image_id) FROM files WHERE root_id = ? AND {where}"
_CHILDREN = f"""SELECT substr(rest, 1, instr(rest, {_SLASH}) - 1), count(DISTINCT image_id)
    FROM (SELECT substr(relative_path, ?) AS rest, image_id FROM files WHERE root_id = ? AND {{where}})
    WHERE instr(rest, {_SLASH}) > 0 GROUP BY 1"""


@dataclass(frozen=True, slots=True)
class Facets:
    """(value, pictures) each. ``years`` newest first; ``folders`` absolute, by name: those directly below the folder
    that holds all that is left, or the roots; ``cameras`` and ``formats`` (of `MediaFacts`, camera RAW as "RAW") the
    most frequent first."""

    years: tuple[tuple[int, int], ...]
    folders: tuple[tuple[Path, int], ...]
    cameras: tuple[tuple[str, int], ...]
    formats: tuple[tuple[str, int], ...]


def read_facets(store: Store, filters: Filters) -> Facets:
    """Count. Without filters 2 s a million pictures, most of it the folders; with filters likewise of what is left."""
    with store.catalog.look() as connection:
        counting = _Counting(connection, lookups.resolved_roots(connection, store.path))
        return Facets(
            counting.years(_without(filters, "year")),
            counting.folders(_one_folder(filters)),
            counting.cameras(_without(filters, "camera")),
            counting.formats(_without(filters, "type")),
        )


def _without(filters: Filters, name: str) -> Filters:
    return Filters(tuple(clause for clause in filters.clauses if clause.name != name or clause.unwanted))


def _one_folder(filters: Filters) -> Filters:
    """A single folder by its path is gone into; words, or several folders, are put aside: another takes their place."""
    wanted = [clause for clause in filters.clauses if clause.name == "folder" and not clause.unwanted]
    if len(wanted) == 1 and os.path.isabs(wanted[0].value):  # noqa: PTH117
        return filters
    return _without(filters, "folder")


class _Counting:
    """One count after the other over one catalog; what filters leave is asked once for each set of them."""

    def __init__(self, connection: sqlite3.Connection, roots: Sequence[Root]) -> None:
        self._connection = connection
        self._roots = roots
        self._known: dict[Filters, Condition] = {}

    def years(self, filters: Filters) -> tuple[tuple[int, int], ...]:
        rows = self._by("substr(taken_at, 1, 4)", filters)
        return tuple(sorted(((int(year), count) for year, count in rows if year.isdecimal()), reverse=True))

    def cameras(self, filters: Filters) -> tuple[tuple[str, int], ...]:
        """``camera:`` takes every camera whose name holds the value, as SQL's LIKE compares: case counts only beyond
        ASCII."""
        rows = [
            (camera, camera.encode("utf-8", "replace").lower(), count) for camera, count in self._by("camera", filters)
        ]
        found = [(name, sum(count for _, other, count in rows if key in other)) for name, key, _ in rows]
        return tuple(sorted(found, key=lambda row: (-row[1], row[0])))

    def formats(self, filters: Filters) -> tuple[tuple[str, int], ...]:
        counts: Counter[str] = Counter()
        for kind, count in self._by("format", filters):
            counts[kind if kind in PLAIN_FORMATS else "RAW"] += count
        return tuple(sorted(counts.items(), key=lambda row: (-row[1], row[0])))

    def folders(self, filters: Filters) -> tuple[tuple[Path, int], ...]:
        where, values = self._files(filters)
        spans = self._connection.execute(_SPAN.format(where=where), values).fetchall()
        folders = {root.root_id: root.path for root in self._roots}
        if len(spans) > 1:
            count = _IN_ROOT.format(where=where)
            found = [
                (folders[root_id], self._connection.execute(count, (root_id, *values)).fetchone()[0])
                for root_id, first, _ in spans
                if first  # a root that is a single file has the path ''
            ]
            return tuple(sorted(found))
        return tuple(
            (folders[root_id] / os.fsdecode(above + child), count)
            for root_id, first, last in spans
            for above in [_common_folder(first, last)]
            for child, count in self._connection.execute(
                _CHILDREN.format(where=where), (len(above) + 1, root_id, *values)
            )
        )

    def _by(self, column: str, filters: Filters) -> list[tuple[str, int]]:
        where, values = self._images(filters)
        statement = f"SELECT {column}, count(*) FROM images WHERE {column} IS NOT NULL AND {where} GROUP BY 1"
        return self._connection.execute(statement, values).fetchall()

    def _images(self, filters: Filters) -> Condition:
        """As SQL over ``images`` or ``files``: the pictures that the filters leave."""
        if not filters:
            return _LIVE, []
        if filters not in self._known:
            found = matching_image_ids(self._connection, filters, self._roots)
            self._known[filters] = ("image_id IN (SELECT value FROM json_each(?))", [json.dumps(found.tolist())])
        return self._known[filters]

    def _files(self, filters: Filters) -> Condition:
        """As SQL over ``files``: of those pictures the files that are themselves what the filters want."""
        if not filters:
            return "1", []
        values: list[Any]
        sql, values = self._images(filters)
        of_file, given = file_condition(self._connection, filters, self._roots)
        return f"{sql} AND {of_file}", [*values, *given]


def _common_folder(first: bytes, last: bytes) -> bytes:
    """Of paths that all lie between these two in the order of their bytes, the folder that holds all of them, with a
    slash behind; b"" for the root."""
    shared = next(
        (place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last))
    )
    return first[: first.rfind(b"/", 0, shared) + 1]
