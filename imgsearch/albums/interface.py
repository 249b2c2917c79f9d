"""Albums, favourites and hidden pictures of the Python interface (docs/python.md)."""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgsearch.errors import UsageError

if TYPE_CHECKING:
    from imgsearch.albums.exchange import TakenIn
    from imgsearch.search.engine import Searcher
    from imgsearch.storage.catalog.collected.albums import Album


class KeepsAlbums:
    """The part of a library that keeps albums, favourites and hidden pictures. ``pictures`` are image ids, hits or
    paths of files in the library, one or many. They are found by ``album:``, ``is:favourite`` and ``is:hidden``, and
    stay with the content of a picture when its file is moved. Errors of all that writes: UsageError, StorageFull."""

    @property
    def _searcher(self) -> Searcher:
        raise NotImplementedError

    def albums(self) -> list[Album]:
        """All albums by name, each with ``name``, ``images`` (how many) and ``cover`` (an image id, or None)."""
        from imgsearch.storage.reads.collected import read_albums

        return read_albums(self._searcher.store)

    def create_album(self, name: str, pictures: Any = ()) -> Album:
        """A new album with these pictures. Raises UsageError for a name that is taken."""
        from imgsearch.storage.collecting import Collecting

        return Collecting(self._searcher.store).create(_text(name), self._ids(pictures))

    def add_to_album(self, name: str, pictures: Any) -> list[int]:
        """Put pictures into an album. -> the ids of those that were not in it."""
        return self._put(name, pictures, inside=True)

    def remove_from_album(self, name: str, pictures: Any) -> list[int]:
        """Take pictures out of an album. -> the ids of those that were in it."""
        return self._put(name, pictures, inside=False)

    def rename_album(self, name: str, new_name: str) -> None:
        """Raises UsageError for a name that is taken."""
        from imgsearch.storage.collecting import Collecting
        from imgsearch.storage.reads.collected import find_album

        store = self._searcher.store
        Collecting(store).rename(find_album(store, _text(name)).album_id, _text(new_name))

    def delete_album(self, name: str) -> None:
        """Take an album away; its pictures stay. `restore_album` brings it back for 30 days."""
        from imgsearch.storage.collecting import Collecting
        from imgsearch.storage.reads.collected import find_album

        store = self._searcher.store
        Collecting(store).delete(find_album(store, _text(name)).album_id)

    def restore_album(self, name: str) -> Album:
        """Bring the album of that name back that was deleted last."""
        from imgsearch.storage.collecting import Collecting
        from imgsearch.storage.reads.collected import removed_album

        store = self._searcher.store
        return Collecting(store).restore(removed_album(store, _text(name)).album_id)

    def favourite(self, pictures: Any, *, on: bool = True) -> list[int]:
        """Make pictures favourites, or no more. -> the ids of those that this changed."""
        return self._mark("favourite", pictures, on=on)

    def hide(self, pictures: Any, *, on: bool = True) -> list[int]:
        """Hide pictures from every answer that does not ask for ``is:hidden``, or show them again. -> the ids of those
        that this changed."""
        return self._mark("hidden", pictures, on=on)

    def export_albums(self, path: str | os.PathLike[str], album: str | None = None) -> None:
        """Write all albums, favourites and hidden pictures, or one album, as JSON (docs/formats.md)."""
        from imgsearch.albums.exchange import as_json
        from imgsearch.errors import StorageFull
        from imgsearch.files import write_whole

        document, file = as_json(self._searcher.store, None if album is None else _text(album)), _file(path)
        try:
            write_whole(file, json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n")
        except OSError as exc:
            raise StorageFull(f"{path} cannot be written: {exc.strerror}", "name another file") from exc

    def import_albums(self, path: str | os.PathLike[str]) -> TakenIn:
        """Add what `export_albums` wrote; nothing that is here is taken away."""
        from imgsearch.albums.exchange import read_document, take_in

        return take_in(self._searcher.store, read_document(_file(path)))

    def _put(self, name: str, pictures: Any, *, inside: bool) -> list[int]:
        from imgsearch.storage.collecting import Collecting
        from imgsearch.storage.reads.collected import find_album

        store = self._searcher.store
        return Collecting(store).put(find_album(store, _text(name)).album_id, self._ids(pictures), inside=inside)

    def _mark(self, mark: str, pictures: Any, *, on: bool) -> list[int]:
        from imgsearch.storage.collecting import Collecting

        return Collecting(self._searcher.store).mark(mark, self._ids(pictures), on=on)

    def _ids(self, pictures: Any) -> list[int]:
        from imgsearch.albums.named import ids_of

        single = isinstance(pictures, (str, bytes, os.PathLike)) or not isinstance(pictures, Iterable)
        given = [pictures] if single else list(pictures)
        return ids_of(self._searcher.store, [_named(one) for one in given])


def _text(name: Any) -> str:
    if not isinstance(name, str):
        raise UsageError(f"got {name!r:.60} for the name of an album, expected a text", "see docs/python.md")
    return name


def _file(path: Any) -> Path:
    if not isinstance(path, (str, os.PathLike)) or path == "":
        raise UsageError(f"got {path!r:.60} for a file, expected a text or a pathlib.Path", "see docs/python.md")
    return Path(path)


def _named(picture: Any) -> int | Path:
    """An image id or a path."""
    if isinstance(picture, (str, os.PathLike)):
        return Path(picture)
    number = getattr(picture, "image_id", picture)
    try:
        found = operator.index(number)
    except TypeError:
        found = -1
    if isinstance(number, bool) or not 0 <= found < 1 << 63:
        raise UsageError(f"got {picture!r:.60}, expected an image id, a hit or a path", "see docs/python.md")
    return found
