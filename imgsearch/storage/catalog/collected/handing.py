"""What becomes of albums and marks when another content takes an image's place: the copy that stays when dedup moves
others away, or a file that was edited. Plain SQL, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from imgsearch.storage.catalog.collected.marks import FAVOURITE
from imgsearch.storage.catalog.dialects import SqlConnection
from imgsearch.storage.catalog.sqlite_reads import conditions_at

EDITED_BITS = 6
"""Bits of the perceptual hash that an edit in place may change: other words in the file change none, saving it again
one or two. Two pictures by chance: one pair in 10^10."""

_ALBUMS = """INSERT INTO album_images (album_id, content_hash, added_at, handed_from)
    SELECT album_id, ?, added_at, {handed} FROM album_images WHERE content_hash = ? ON CONFLICT DO NOTHING"""
_MARKS = """INSERT INTO image_marks (mark, content_hash, made_at, handed_from)
    SELECT mark, ?, made_at, {handed} FROM image_marks WHERE content_hash = ?{which} ON CONFLICT DO NOTHING"""
_COPY = (
    _ALBUMS.format(handed="content_hash"),
    _MARKS.format(handed="content_hash", which=f" AND mark = '{FAVOURITE}'"),
)
_EDIT = (_ALBUMS.format(handed="NULL"), _MARKS.format(handed="NULL", which=""))
_AT = """SELECT root_id, relative_path, content_hash, perceptual_hash FROM files
    JOIN images ON images.image_id = files.image_id WHERE """
_COLLECTED = """ AND (content_hash IN (SELECT content_hash FROM album_images)
    OR content_hash IN (SELECT content_hash FROM image_marks))"""
_ANY = "SELECT 1 FROM image_marks UNION ALL SELECT 1 FROM album_images LIMIT 1"

Place = tuple[int, bytes]
Held = dict[Place, tuple[bytes, int]]
"""By place: content and perceptual hash."""


def hand_over(connection: SqlConnection, pairs: Iterable[tuple[bytes, bytes]]) -> int:
    """For each (content that was moved away, content that stays): the second is a favourite and in albums as the first
    was. A hidden copy hides nothing else. -> how many rows this wrote."""
    return sum(_written(connection, _COPY, *pair) for pair in pairs)


def give_back(connection: SqlConnection, contents: Iterable[bytes]) -> int:
    """For each content that came back: others lose what they have through it alone. -> how many rows this deleted."""
    deleted = 0
    for content in contents:
        for table in ("album_images", "image_marks"):
            deleted += connection.execute(f"DELETE FROM {table} WHERE handed_from = ?", (content,)).rowcount
    return deleted


def collected_at(connection: SqlConnection, places: Sequence[Place]) -> Held:
    """What lies at these places and has a mark or an album."""
    if not places or connection.execute(_ANY).fetchone() is None:
        return {}
    return _held(connection, places, _COLLECTED)


def follow_edits(connection: SqlConnection, before: Held) -> None:
    """Let contents that lie now where `collected_at` found ``before``, and look the same, have their albums and all
    their marks."""
    after = _held(connection, list(before), "") if before else {}
    for place, (content, bits) in after.items():
        old, looked = before[place]
        if content != old and ((bits ^ looked) & (2**64 - 1)).bit_count() <= EDITED_BITS:
            _written(connection, _EDIT, old, content)


def _written(connection: SqlConnection, statements: Sequence[str], old: bytes, new: bytes) -> int:
    return sum(connection.execute(statement, (new, old)).rowcount for statement in statements) if old != new else 0


def _held(connection: SqlConnection, places: Sequence[Place], which: str) -> Held:
    found: Held = {}
    for condition, values in conditions_at(places):
        for root_id, path, content, bits in connection.execute(_AT + condition + which, values):
            found[root_id, bytes(path)] = bytes(content), bits
    return found
