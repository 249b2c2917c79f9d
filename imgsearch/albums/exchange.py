"""Albums, favourites and hidden pictures as JSON, and back (docs/formats.md)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgsearch.errors import UsageError
from imgsearch.storage import Store
from imgsearch.storage.catalog.collected.marks import MARKS
from imgsearch.storage.catalog.database import utc_now
from imgsearch.storage.collecting import Collecting, KeptAlbum, valid_name
from imgsearch.storage.reads.collected import kept_albums, kept_marks
from imgsearch.storage.reads.gallery import paths_of_contents

FORMAT, VERSION = "imgsearch-albums", 1
_LISTS = {"favourite": "favourites", "hidden": "hidden"}
_HINT = "`imgsearch album export` writes such a file"


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What an import did: albums that are new, pictures that are new in albums; ``elsewhere``: pictures of the file
    that this library does not hold now, which are remembered for the day when it does."""

    albums: int
    pictures: int
    elsewhere: int


def as_json(store: Store, album: str | None = None) -> dict[str, Any]:
    """All albums and marks, or one album alone, as an object. Pictures are named by the sha256 of their file; the path
    is for people, and for pictures whose file was changed since. Raises UsageError for an album that is not there."""
    albums = kept_albums(store, album)
    marked = kept_marks(store) if album is None else []
    contents = {content for one in albums for content, _ in one.contents} | {content for _, content, _ in marked}
    paths = paths_of_contents(store, contents)

    def told(content: bytes, at: str) -> dict[str, Any]:
        place = {"path": _text(paths[content])} if content in paths else {}
        return {"sha256": content.hex(), "at": at, **place}

    found: dict[str, Any] = {"format": FORMAT, "version": VERSION, "written_at": utc_now()}
    found["albums"] = [
        {"name": one.name, "made_at": one.made_at, "pictures": [told(*each) for each in one.contents]} for one in albums
    ]
    if album is None:
        for mark in MARKS:
            found[_LISTS[mark]] = [told(content, at) for name, content, at in marked if name == mark]
    return found


def take_in(store: Store, document: object) -> TakenIn:
    """Add what `as_json` wrote: albums of one name become one, and nothing that is here is taken away. A picture whose
    content the library does not hold is looked for at its path. Raises UsageError for another document."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise UsageError(f"got no file of albums, expected a JSON object with format {FORMAT!r}", _HINT)
    if document.get("version") != VERSION:
        raise UsageError(
            f"got albums of version {document.get('version')!r:.20}, expected {VERSION}", "install a newer imgsearch"
        )
    albums = [_Listed(_name_of(one), _date(one.get("made_at")), _pictures(one)) for one in _objects(document, "albums")]
    marked = {mark: list(_each_picture(_objects(document, key))) for mark, key in _LISTS.items()}
    everything = [one for album in albums for one in album.pictures] + [one for many in marked.values() for one in many]
    known = _Known(store, everything)
    kept = [
        KeptAlbum(one.name, one.made_at, tuple((known.of(each), each.at) for each in one.pictures)) for one in albums
    ]
    marks = [(mark, known.of(one), one.at) for mark, many in marked.items() for one in many]
    fresh, added = Collecting(store).take_in(kept, marks)
    return TakenIn(fresh, added, known.elsewhere)


def read_document(path: Path) -> object:
    """The JSON in a file. Raises UsageError for what is none."""
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror}", _HINT) from exc
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"{path} is no JSON", _HINT) from exc


@dataclass(frozen=True, slots=True)
class _Picture:
    content: bytes
    at: str
    path: str


@dataclass(frozen=True, slots=True)
class _Listed:
    name: str
    made_at: str
    pictures: tuple[_Picture, ...]


class _Known:
    """Which content of the library each picture of a document is."""

    def __init__(self, store: Store, pictures: Sequence[_Picture]) -> None:
        held = paths_of_contents(store, {one.content for one in pictures})
        missing = {one.content: one.path for one in pictures if one.content not in held}
        at_paths = dict(_contents_at(store, missing))
        self._changed = {content: at_paths[path] for content, path in missing.items() if path in at_paths}
        self.elsewhere = len(missing) - len(self._changed)

    def of(self, picture: _Picture) -> bytes:
        return self._changed.get(picture.content, picture.content)


def _contents_at(store: Store, missing: dict[bytes, str]) -> Iterator[tuple[str, bytes]]:
    """(path, content) of those of the paths that are files of the library."""
    wanted = {path for path in missing.values() if path}
    for root in store.roots():
        base = str(root.path)
        below = {path: os.path.relpath(path, base) for path in wanted if path.startswith(base.rstrip("/") + "/")}
        states = store.files_at(root.root_id, below.values())
        records = store.images(state.image_id for state in states.values())
        for path, relative in below.items():
            if relative in states and states[relative].image_id in records:
                yield path, bytes.fromhex(records[states[relative].image_id].facts.content_hash)


def _objects(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = document.get(key, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise UsageError(f"got {key} that are no list of objects", _HINT)
    return found


def _name_of(album: dict[str, Any]) -> str:
    name = album.get("name")
    if not isinstance(name, str):
        raise UsageError("got an album without a name", _HINT)
    return valid_name(name)


def _pictures(album: dict[str, Any]) -> tuple[_Picture, ...]:
    return tuple(_each_picture(_objects(album, "pictures")))


def _each_picture(listed: Sequence[dict[str, Any]]) -> Iterator[_Picture]:
    for one in listed:
        try:
            content = bytes.fromhex(one["sha256"])
        except (KeyError, TypeError, ValueError):
            content = b""
        if len(content) != 32:
            raise UsageError(f"got a picture with sha256 {one.get('sha256')!r:.40}, expected 64 digits", _HINT)
        path = one.get("path")
        yield _Picture(content, _date(one.get("at")), path if isinstance(path, str) else "")


def _date(value: object) -> str:
    """A time as `utc_now` writes it; "" for none."""
    return value if isinstance(value, str) and len(value) == 24 and value.isascii() else ""


def _text(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")
