"""Marks that people give to images: favourite, hidden. Plain SQL on the driver (sqlite_reads.py says why); everything
here runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable

from imgsearch.records import Clause, Filters
from imgsearch.storage.catalog.dialects import Condition, SqlConnection
from imgsearch.storage.catalog.sqlite_reads import chunks, marks

FAVOURITE, HIDDEN = "favourite", "hidden"
MARKS = (FAVOURITE, HIDDEN)

_HOLDING = """image_id IN (SELECT marked.image_id FROM image_marks JOIN images AS marked
    ON marked.content_hash = image_marks.content_hash WHERE image_marks.mark = ?)"""
_ANY_HIDDEN = f"SELECT 1 FROM image_marks WHERE mark = '{HIDDEN}' LIMIT 1"
_IDS = f"SELECT image_id FROM images WHERE {_HOLDING} ORDER BY image_id"
_OF_IMAGES = """SELECT image_id, mark FROM images JOIN image_marks ON image_marks.content_hash = images.content_hash
    WHERE image_id IN ({marks}) ORDER BY image_id, mark"""
_CHANGING = "SELECT image_id, content_hash FROM images WHERE image_id IN ({marks}) AND {without}" + _HOLDING
_ADD = "INSERT INTO image_marks (mark, content_hash, made_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_TAKE = "DELETE FROM image_marks WHERE mark = ? AND content_hash = ?"


def condition(mark: str) -> Condition:
    """On ``images``: those that bear the mark."""
    return _HOLDING, [mark]


def is_mark(clause: Clause) -> bool:
    """Whether the clause asks for a mark: ``is:favourite``, in contrast to ``is:square``."""
    return clause.name == "is" and clause.value in MARKS


def shown(connection: SqlConnection, filters: Filters) -> Filters:
    """``filters`` that leave hidden images out, unless they ask for these; the same where nothing is hidden."""
    if any(is_mark(clause) and clause.value == HIDDEN for clause in filters.clauses):
        return filters
    if connection.execute(_ANY_HIDDEN).fetchone() is None:
        return filters
    return Filters((*filters.clauses, Clause("is", HIDDEN, unwanted=True)))


def marked_ids(connection: SqlConnection, mark: str) -> list[int]:
    """Ids, ascending, of all images with the mark, those without a file included. 10 us an image."""
    return [row[0] for row in connection.execute(_IDS, (mark,))]


def read_marks(connection: SqlConnection, image_ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """The marks of those images that have any."""
    found: dict[int, tuple[str, ...]] = {}
    for chunk in chunks(int(one) for one in image_ids):
        for image_id, mark in connection.execute(_OF_IMAGES.format(marks=marks(chunk)), chunk):
            found[image_id] = (*found.get(image_id, ()), mark)
    return found


def set_mark(connection: SqlConnection, mark: str, image_ids: Iterable[int], now: str, *, on: bool) -> list[int]:
    """Mark these images, or take the mark away. -> the ids, ascending, of those that this changed; unknown ones are
    passed over."""
    changed: list[int] = []
    for chunk in chunks(int(one) for one in image_ids):
        statement = _CHANGING.format(marks=marks(chunk), without="NOT " if on else "")
        rows = connection.execute(statement, [*chunk, mark]).fetchall()
        contents = [bytes(row[1]) for row in rows]
        mark_contents(connection, mark, contents, now, on=on)
        changed += [row[0] for row in rows]
    return sorted(changed)


def mark_contents(connection: SqlConnection, mark: str, contents: Iterable[bytes], now: str, *, on: bool) -> None:
    """The same for contents (sha256), whether the library holds them or not."""
    if on:
        connection.executemany(_ADD, [(mark, content, now) for content in contents])
    else:
        connection.executemany(_TAKE, [(mark, content) for content in contents])
