"""Writes albums and marks. No writer lock is needed, so that a person may do so while `imgsearch index` runs."""

from __future__ import annotations

import contextlib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from imgsearch.errors import UsageError
from imgsearch.storage.catalog.collected import albums as rows
from imgsearch.storage.catalog.collected import handing, marks
from imgsearch.storage.catalog.collected.albums import Album
from imgsearch.storage.catalog.database import utc_now
from imgsearch.storage.catalog.dialects import SqlConnection
from imgsearch.storage.store import Store

LONGEST_NAME = 200
"""Letters of an album's name."""

KEPT_DAYS = 30
"""How long an album that was deleted can be brought back."""

_LIST = "`imgsearch album list` names them"


@dataclass(frozen=True, slots=True)
class KeptAlbum:
    """An album as it is written down: ``contents`` (sha256, when it was added), held by the library or not."""

    name: str
    made_at: str
    contents: tuple[tuple[bytes, str], ...]


def valid_name(name: str) -> str:
    """``name`` without surrounding and invisible spaces. Raises UsageError for one that no query could
    name."""
    text = " ".join(unicodedata.normalize("NFC", name).split())
    unseen = any(unicodedata.category(letter) in ("Cc", "Cs", "Co", "Cn") for letter in text)
    if not rows.name_key(text).strip("* ") or len(text) > LONGEST_NAME or unseen:
        shown = text[:40].encode("utf-8", "backslashreplace").decode()
        raise UsageError(
            f"got the album's name {shown!r}, expected 1 to {LONGEST_NAME} letters", 'for example "Rome 2019"'
        )
    return text


class Collecting:
    """Changes of a library's albums and marks, each in one transaction. Errors of every method: StorageFull (also for
    a library that cannot be written to), LibraryBusy, CatalogUnreachable."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def mark(self, mark: str, image_ids: Iterable[int], *, on: bool = True) -> list[int]:
        """Give images a mark ("favourite", "hidden"), or take it away. -> the ids that this changed. ValueError for
        another mark."""
        if mark not in marks.MARKS:
            raise ValueError(f"got the mark {mark!r}, expected one of {', '.join(marks.MARKS)}")
        with self._writing() as connection:
            return marks.set_mark(connection, mark, image_ids, utc_now(), on=on)

    def create(self, name: str, image_ids: Iterable[int] = ()) -> Album:
        """A new album with these images. Raises UsageError for a name that is taken, or none."""
        text = valid_name(name)
        with self._writing() as connection:
            before = (_now() - timedelta(days=KEPT_DAYS)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            rows.forget_removed(connection, before)
            _require_free(connection, text)
            album = rows.insert_album(connection, text, utc_now())
            rows.set_inside(connection, album.album_id, image_ids, utc_now(), inside=True)
        return album

    def put(self, album_id: str, image_ids: Iterable[int], *, inside: bool = True) -> list[int]:
        """Put images into an album, or take them out of it. -> the ids that this changed. Raises UsageError."""
        with self._writing() as connection:
            _require_there(connection, album_id)
            return rows.set_inside(connection, album_id, image_ids, utc_now(), inside=inside)

    def rename(self, album_id: str, name: str) -> None:
        """Raises UsageError for a name that another album has, or none."""
        text = valid_name(name)
        with self._writing() as connection:
            _require_there(connection, album_id)
            _require_free(connection, text, besides=album_id)
            rows.rename_album(connection, album_id, text)

    def delete(self, album_id: str) -> Album:
        """Take an album away; its images stay. `restore` brings it back for `KEPT_DAYS`. Raises UsageError."""
        with self._writing() as connection:
            found = _require_there(connection, album_id)
            rows.set_removed(connection, album_id, utc_now())
        return found

    def restore(self, album_id: str) -> Album:
        """Bring a deleted album back. Raises UsageError if it is gone for good, or its name was given to another."""
        with self._writing() as connection:
            found = rows.album_of(connection, album_id)
            if found is None:
                raise UsageError("no such album can be brought back", f"deleted ones are kept for {KEPT_DAYS} days")
            _require_free(connection, found.name, besides=album_id)
            rows.set_removed(connection, album_id, None)
        return found

    def take_in(self, kept: Sequence[KeptAlbum], marked: Iterable[tuple[str, bytes, str]]) -> tuple[int, int]:
        """Add what was written down elsewhere: albums, by name, and (mark, content, when). What is here stays. ->
        (albums that are new, images in all albums that are new there)."""
        fresh = added = 0
        with self._writing() as connection:
            for one in kept:
                album = rows.exactly_named(connection, one.name)
                if album is None:
                    album = rows.insert_album(connection, valid_name(one.name), one.made_at or utc_now())
                    fresh += 1
                before = len(rows.contents_of(connection, album.album_id))
                contents = [(content, at or utc_now()) for content, at in one.contents]
                rows.add_contents(connection, album.album_id, contents)
                added += len(rows.contents_of(connection, album.album_id)) - before
            for mark, content, at in marked:
                marks.mark_contents(connection, mark, [content], at or utc_now(), on=True)
        return fresh, added

    def hand_over(self, pairs: Iterable[tuple[str, str]]) -> int:
        """See `handing.hand_over`; contents as sha256 in hexadecimal digits."""
        found = [(bytes.fromhex(moved), bytes.fromhex(kept)) for moved, kept in pairs]
        with self._writing() as connection:
            return handing.hand_over(connection, found)

    def give_back(self, contents: Iterable[str]) -> int:
        """See `handing.give_back`."""
        with self._writing() as connection:
            return handing.give_back(connection, [bytes.fromhex(content) for content in contents])

    @contextlib.contextmanager
    def _writing(self) -> Iterator[SqlConnection]:
        with self._store.catalog.note() as connection:
            yield connection
            connection.execute("UPDATE library SET generation = generation + 1")  # answers may be others now


def _now() -> datetime:
    return datetime.fromisoformat(utc_now())


def _require_free(connection: SqlConnection, name: str, besides: str = "") -> None:
    other = rows.exactly_named(connection, name)
    if other is not None and other.album_id != besides:
        raise UsageError(f"there is an album {other.name!r} already", "choose another name")


def _require_there(connection: SqlConnection, album_id: str) -> Album:
    found = rows.album_of(connection, album_id)
    if found is None or found.removed_at is not None:
        raise UsageError("the library has no such album", _LIST)
    return found
