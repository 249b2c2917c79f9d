"""Schemas of albums, favourites and hidden pictures."""

from __future__ import annotations

from imgsearch.storage.collecting import LONGEST_NAME
from web.http.schemas.parts import (
    COUNT,
    FLAG,
    IMAGE_ID,
    TEXT,
    WHEN,
    Schema,
    list_of,
    object_of,
    optional,
    or_null,
    ref,
    said,
)

MOST_PICTURES = 20_000
"""Pictures of one request."""

ALBUM_ID: Schema = {"type": "string", "pattern": "^[0-9a-f]{16}$"}
NAME: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME}
IDS: Schema = {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1, "maxItems": MOST_PICTURES}
MARK: Schema = {"enum": ["favourite", "hidden"]}

_COVER = or_null(said("path of a thumbnail of one of them", **TEXT))
_ALBUM = object_of(
    id=ALBUM_ID,
    name=TEXT,
    count=said("pictures that a search by it shows", **COUNT),
    cover=_COVER,
    made_at=WHEN,
    search=said("the query that finds its pictures", **TEXT),
)
_COLLECTION = object_of(count=COUNT, cover=_COVER, search=TEXT)
_CHANGED = list_of(IMAGE_ID)
_NOTED = list_of(optional(("path",), sha256={"type": "string"}, at=WHEN, path=TEXT))

COLLECTED: dict[str, Schema] = {
    "Album": _ALBUM,
    "Albums": object_of(albums=list_of(ref("Album")), favourites=_COLLECTION, hidden=_COLLECTION),
    "AlbumChanged": object_of(album=ref("Album"), changed=said("pictures that were not so before", **_CHANGED)),
    "Marked": object_of(mark=MARK, on=FLAG, changed=said("pictures that were not so before", **_CHANGED)),
    "AlbumFile": object_of(
        format={"const": "imgsearch-albums"},
        version={"const": 1},
        written_at=WHEN,
        albums=list_of(object_of(name=TEXT, made_at=WHEN, pictures=_NOTED)),
        favourites=_NOTED,
        hidden=_NOTED,
    ),
}
