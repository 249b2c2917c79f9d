"""Reads of albums and marks (`imgsearch.storage.catalog.collected`)."""

from __future__ import annotations

from collections.abc import Iterable

from imgsearch.errors import UsageError
from imgsearch.storage.catalog.collected import albums as rows
from imgsearch.storage.catalog.collected import marks
from imgsearch.storage.catalog.collected.albums import Album
from imgsearch.storage.collecting import KeptAlbum
from imgsearch.storage.store import Store

_MARKED = "SELECT mark, content_hash, made_at FROM image_marks ORDER BY mark, made_at, content_hash"
_COUNTED = """SELECT mark, count(*), max(image_id) FROM images JOIN image_marks
    ON image_marks.content_hash = images.content_hash WHERE image_id NOT IN (SELECT image_id FROM deletions)
    AND (mark = 'hidden' OR images.content_hash NOT IN (SELECT content_hash FROM image_marks WHERE mark = 'hidden'))
    GROUP BY mark"""


def read_albums(store: Store, *, removed: bool = False) -> list[Album]:
    """All albums by name, or those that were ``removed`` and can be brought back."""
    with store.catalog.look() as connection:
        return rows.read_albums(connection, removed=removed)


def find_album(store: Store, name: str) -> Album:
    """The album of that name. Raises UsageError, which names those that are spelt alike."""
    with store.catalog.look() as connection:
        found = rows.find_album(connection, name)
        if found is not None:
            return found
        known = rows.read_albums(connection)
    import difflib

    names = {album.name.casefold(): album.name for album in known}
    near = [names[one] for one in difflib.get_close_matches(name.casefold(), list(names), 3, 0.5)]
    hint = f"{', '.join(near)} may be meant" if near else "`imgsearch album list` names them"
    raise UsageError(f"the library has no album {name[:60]!r}", hint)


def removed_album(store: Store, name: str) -> Album:
    """The album of that name that was deleted last. Raises UsageError."""
    wanted = rows.name_key(name)
    found = [album for album in read_albums(store, removed=True) if rows.name_key(album.name) == wanted]
    if not found:
        raise UsageError(
            f"no album {name[:60]!r} can be brought back", "`imgsearch album list --deleted` names those that can"
        )
    return max(found, key=lambda album: album.removed_at or "")


def album_by_id(store: Store, album_id: str) -> Album | None:
    """The album of that id, removed or not."""
    with store.catalog.look() as connection:
        return rows.album_of(connection, album_id)


def album_images(store: Store, album_id: str) -> list[int]:
    """Ids, ascending, of the images in it that a search shows."""
    with store.catalog.look() as connection:
        return rows.image_ids_of(connection, album_id)


def albums_of(store: Store, image_id: int) -> list[Album]:
    """The albums that hold the image, by name."""
    with store.catalog.look() as connection:
        return rows.albums_of(connection, image_id)


def read_marks(store: Store, image_ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """The marks of those images that have any: "favourite", "hidden"."""
    with store.catalog.look() as connection:
        return marks.read_marks(connection, image_ids)


def count_marks(store: Store) -> dict[str, tuple[int, int]]:
    """Mark -> (how many images with it a search by that mark shows, the id of one), where there are any."""
    with store.catalog.look() as connection:
        return {mark: (count, cover) for mark, count, cover in connection.execute(_COUNTED)}


def kept_albums(store: Store, name: str | None = None) -> list[KeptAlbum]:
    """All albums, or one, with everything in them. Raises UsageError."""
    found = read_albums(store) if name is None else [find_album(store, name)]
    with store.catalog.look() as connection:
        return [
            KeptAlbum(album.name, album.made_at, tuple(rows.contents_of(connection, album.album_id))) for album in found
        ]


def kept_marks(store: Store) -> list[tuple[str, bytes, str]]:
    """(mark, content, when it was given) of all marks, whether the library holds the content now or not."""
    with store.catalog.look() as connection:
        return [(mark, bytes(content), at) for mark, content, at in connection.execute(_MARKED)]
