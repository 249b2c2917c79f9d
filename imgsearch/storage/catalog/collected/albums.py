"""Albums: names with images in them. Plain SQL on the driver (sqlite_reads.py says why); everything here runs inside
the caller's transaction."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from imgsearch import wordforms
from imgsearch.storage.catalog.collected.marks import HIDDEN
from imgsearch.storage.catalog.dialects import Condition, SqlConnection
from imgsearch.storage.catalog.sqlite_reads import chunks, marks

_NAMED = """removed_at IS NULL AND (name_key = ? OR (name_folded = ? AND NOT EXISTS (
    SELECT 1 FROM albums WHERE removed_at IS NULL AND name_key = ?)))"""
_BEGINNING = "removed_at IS NULL AND substr(name_folded, 1, ?) = ?"
_HOLDING = """image_id IN (SELECT held.image_id FROM album_images JOIN images AS held
    ON held.content_hash = album_images.content_hash WHERE album_images.album_id IN (
    SELECT album_id FROM albums WHERE {named}))"""
_SHOWN = f"""FROM album_images JOIN images ON images.content_hash = album_images.content_hash
    WHERE image_id NOT IN (SELECT image_id FROM deletions)
    AND images.content_hash NOT IN (SELECT content_hash FROM image_marks WHERE mark = '{HIDDEN}')"""
_COUNTS = f"SELECT album_id, count(*), max(image_id) {_SHOWN} GROUP BY album_id"
_ALBUMS = "SELECT album_id, name, made_at, removed_at FROM albums WHERE {which}"
_IDS = f"SELECT image_id {_SHOWN} AND album_id = ? ORDER BY image_id"
_OF_IMAGE = """SELECT album_id, name, made_at, removed_at FROM albums WHERE removed_at IS NULL AND album_id IN (
    SELECT album_id FROM album_images JOIN images ON images.content_hash = album_images.content_hash
    WHERE image_id = ?)"""
_CONTENTS = "SELECT content_hash, added_at FROM album_images WHERE album_id = ? ORDER BY added_at, content_hash"
_LACKING = """SELECT image_id, content_hash FROM images WHERE image_id IN ({marks}) AND {without}content_hash IN (
    SELECT content_hash FROM album_images WHERE album_id = ?)"""
_ADD = "INSERT INTO album_images (album_id, content_hash, added_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_TAKE = "DELETE FROM album_images WHERE album_id = ? AND content_hash = ?"


@dataclass(frozen=True, slots=True)
class Album:
    """``images``: how many of its images a search shows; ``cover``: the id of one, None where there is none. Times are
    ISO 8601, UTC; ``removed_at`` is None for an album that is there."""

    album_id: str
    name: str
    made_at: str
    removed_at: str | None = None
    images: int = 0
    cover: int | None = None


def name_key(name: str) -> str:
    """By what two names are the same: composed, without case, quotes and further spaces."""
    return " ".join(unicodedata.normalize("NFC", name.replace('"', "")).casefold().split())


def name_folded(name: str) -> str:
    """The same without accents, for people who leave these out."""
    return " ".join(wordforms.folded(name.replace('"', "")).split())


def condition(value: str) -> Condition:
    """On ``images``: those in the album of that name or, where none has it, in those that have it but for accents; a
    ``*`` behind it leaves it unfinished."""
    if value.endswith("*"):
        beginning = name_folded(value[:-1])
        return _HOLDING.format(named=_BEGINNING), [len(beginning), beginning]
    return _HOLDING.format(named=_NAMED), [name_key(value), name_folded(value), name_key(value)]


def read_albums(connection: SqlConnection, *, removed: bool = False) -> list[Album]:
    """All albums by name, or those that were ``removed``. 10 us for each image in them."""
    which = f"removed_at IS {'NOT ' if removed else ''}NULL"
    counts = {album_id: (images, cover) for album_id, images, cover in connection.execute(_COUNTS)}
    rows = connection.execute(_ALBUMS.format(which=which)).fetchall()
    found = []
    for album_id, name, made_at, removed_at in rows:
        images, cover = counts.get(album_id, (0, None))
        found.append(Album(album_id, name, made_at, removed_at, images, cover))
    return sorted(found, key=lambda album: (name_folded(album.name), album.name, album.album_id))


def albums_of(connection: SqlConnection, image_id: int) -> list[Album]:
    """The albums that hold the image, by name; nothing in them is counted."""
    found = [Album(*row) for row in connection.execute(_OF_IMAGE, (image_id,))]
    return sorted(found, key=lambda album: (name_folded(album.name), album.name))


def find_album(connection: SqlConnection, name: str) -> Album | None:
    """The album of that name; where two differ from it by accents alone, the older one. Nothing in it is counted."""
    values = [name_key(name), name_folded(name), name_key(name)]
    rows = connection.execute(f"{_ALBUMS.format(which=_NAMED)} ORDER BY made_at, album_id", values)
    found = rows.fetchone()
    return None if found is None else Album(*found)


def album_of(connection: SqlConnection, album_id: str) -> Album | None:
    """The album of that id, removed or not; nothing in it is counted."""
    found = connection.execute(_ALBUMS.format(which="album_id = ?"), (album_id,)).fetchone()
    return None if found is None else Album(*found)


def exactly_named(connection: SqlConnection, name: str) -> Album | None:
    """The album that another one of this name would be taken for."""
    which = "removed_at IS NULL AND name_key = ?"
    found = connection.execute(_ALBUMS.format(which=which), (name_key(name),)).fetchone()
    return None if found is None else Album(*found)


def image_ids_of(connection: SqlConnection, album_id: str) -> list[int]:
    """Ids, ascending, of the images in the album that a search shows."""
    return [row[0] for row in connection.execute(_IDS, (album_id,))]


def contents_of(connection: SqlConnection, album_id: str) -> list[tuple[bytes, str]]:
    """(content, when it was added) of everything in the album, whether the library holds it now or not."""
    return [(bytes(content), at) for content, at in connection.execute(_CONTENTS, (album_id,))]


def insert_album(connection: SqlConnection, name: str, now: str) -> Album:
    """A new, empty album; no other one has that name."""
    album = Album(secrets.token_hex(8), name, now)
    connection.execute(
        "INSERT INTO albums (album_id, name, name_key, name_folded, made_at) VALUES (?, ?, ?, ?, ?)",
        (album.album_id, name, name_key(name), name_folded(name), now),
    )
    return album


def rename_album(connection: SqlConnection, album_id: str, name: str) -> None:
    """Give it another name, which no other album has."""
    connection.execute(
        "UPDATE albums SET name = ?, name_key = ?, name_folded = ? WHERE album_id = ?",
        (name, name_key(name), name_folded(name), album_id),
    )


def set_removed(connection: SqlConnection, album_id: str, removed_at: str | None) -> None:
    """Take the album away; with None bring it back."""
    connection.execute("UPDATE albums SET removed_at = ? WHERE album_id = ?", (removed_at, album_id))


def forget_removed(connection: SqlConnection, before: str) -> None:
    """Delete for good the albums that were removed before that time."""
    connection.execute(
        "DELETE FROM album_images WHERE album_id IN (SELECT album_id FROM albums WHERE removed_at < ?)", (before,)
    )
    connection.execute("DELETE FROM albums WHERE removed_at < ?", (before,))


def set_inside(
    connection: SqlConnection, album_id: str, image_ids: Iterable[int], now: str, *, inside: bool
) -> list[int]:
    """Put images into the album, or take them out. -> the ids, ascending, of those that this changed; unknown ones are
    passed over."""
    changed: list[int] = []
    for chunk in chunks(int(one) for one in image_ids):
        statement = _LACKING.format(marks=marks(chunk), without="NOT " if inside else "")
        rows = connection.execute(statement, [*chunk, album_id]).fetchall()
        contents = [bytes(row[1]) for row in rows]
        if inside:
            add_contents(connection, album_id, [(content, now) for content in contents])
        else:
            connection.executemany(_TAKE, [(album_id, content) for content in contents])
        changed += [row[0] for row in rows]
    return sorted(changed)


def add_contents(connection: SqlConnection, album_id: str, contents: Sequence[tuple[bytes, str]]) -> None:
    """Put contents (sha256) with the time of each into the album; those that are in it keep theirs."""
    connection.executemany(_ADD, [(album_id, content, at) for content, at in contents])
