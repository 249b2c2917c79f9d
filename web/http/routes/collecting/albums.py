"""Albums: what there are, and how they are made, filled, renamed, deleted and brought back. And their page."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, render_template
from flask.typing import ResponseReturnValue

from imgsearch.albums.exchange import as_json
from imgsearch.storage import Store
from imgsearch.storage.catalog.collected.albums import Album
from imgsearch.storage.catalog.collected.marks import FAVOURITE, HIDDEN
from imgsearch.storage.collecting import Collecting
from imgsearch.storage.reads.collected import album_by_id, album_images, count_marks, read_albums
from web.http.answers import album_search, thumbnail_path
from web.http.context import current_service
from web.http.operations import Part, operation
from web.http.routes.collecting.asked import asked, flag, numbers, text
from web.http.routes.collecting.selections import packed
from web.http.schemas.collected import ALBUM_ID, IDS, NAME
from web.problems import NotFound, printable

blueprint = Blueprint("albums", __name__)
_API = "/api/v1/albums"


@blueprint.get("/albums")
def show_page() -> ResponseReturnValue:
    """All albums with a picture of each, favourites and hidden pictures."""
    return render_template("albums.html", **albums_json(current_service().store))


@blueprint.get(_API)
def show_albums() -> ResponseReturnValue:
    """All albums by name, favourites and hidden pictures."""
    return jsonify(albums_json(current_service().store))


@blueprint.post(_API)
def create_album() -> ResponseReturnValue:
    """A new album, perhaps with pictures."""
    given = asked("name", "ids")
    ids = numbers(given["ids"]) if "ids" in given else []
    store = current_service().store
    made = Collecting(store).create(text(given, "name"), ids)
    return jsonify(_found(store, made.album_id))


@blueprint.patch(f"{_API}/<album_id>")
def rename_album(album_id: str) -> ResponseReturnValue:
    """Another name for an album."""
    store = current_service().store
    _require(store, album_id)
    Collecting(store).rename(album_id, text(asked("name"), "name"))
    return jsonify(_found(store, album_id))


@blueprint.delete(f"{_API}/<album_id>")
def delete_album(album_id: str) -> ResponseReturnValue:
    """Take an album away; it can be brought back."""
    store = current_service().store
    told = _found(store, album_id)
    Collecting(store).delete(album_id)
    return jsonify(told)


@blueprint.post(f"{_API}/<album_id>/restore")
def restore_album(album_id: str) -> ResponseReturnValue:
    """Bring a deleted album back."""
    store = current_service().store
    if album_by_id(store, album_id) is None:
        raise _gone()
    Collecting(store).restore(album_id)
    return jsonify(_found(store, album_id))


@blueprint.post(f"{_API}/<album_id>/pictures")
def put_pictures(album_id: str) -> ResponseReturnValue:
    """Put pictures into an album, or take them out."""
    store = current_service().store
    _require(store, album_id)
    given = asked("ids", "inside")
    changed = Collecting(store).put(album_id, numbers(given.get("ids")), inside=flag(given, "inside"))
    return jsonify({"album": _found(store, album_id), "changed": changed})


@blueprint.get(f"{_API}/<album_id>/zip")
def send_album(album_id: str) -> ResponseReturnValue:
    """The originals of an album as one zip of its name, without hidden pictures; made while it is sent."""
    store = current_service().store
    _require(store, album_id)
    album, ids = album_by_id(store, album_id), album_images(store, album_id)
    if album is None or not ids:
        raise NotFound("the album holds no picture", "put some into it")
    return packed(ids, f"{album.name.replace('/', '_')}.zip")


@blueprint.get(f"{_API}/export")
def export_albums() -> ResponseReturnValue:
    """All albums, favourites and hidden pictures as a file that `imgsearch album import` reads."""
    answer = jsonify(_printable(as_json(current_service().store)))
    answer.headers["Content-Disposition"] = 'attachment; filename="albums.json"'
    return answer


def albums_json(store: Store) -> dict[str, Any]:
    """Albums and marks as the API tells them."""
    albums, marks = read_albums(store), count_marks(store)
    covers = [album.cover for album in albums] + [cover for _, cover in marks.values()]
    records = store.images(one for one in covers if one is not None)
    thumbnails = {image_id: thumbnail_path(record) for image_id, record in records.items()}

    def marked(mark: str) -> dict[str, Any]:
        count, cover = marks.get(mark, (0, 0))
        return {"count": count, "cover": thumbnails.get(cover), "search": f"is:{mark}"}

    return {
        "albums": [_album(album, thumbnails) for album in albums],
        "favourites": marked(FAVOURITE),
        "hidden": marked(HIDDEN),
    }


def _album(album: Album, thumbnails: dict[int, str]) -> dict[str, Any]:
    return {
        "id": album.album_id,
        "name": printable(album.name),
        "count": album.images,
        "cover": None if album.cover is None else thumbnails.get(album.cover),
        "made_at": album.made_at,
        "search": album_search(printable(album.name)),
    }


def _found(store: Store, album_id: str) -> dict[str, Any]:
    """The album as the API tells it. Raises NotFound."""
    for told in albums_json(store)["albums"]:
        if told["id"] == album_id:
            found: dict[str, Any] = told
            return found
    raise _gone()


def _require(store: Store, album_id: str) -> None:
    album = album_by_id(store, album_id)
    if album is None or album.removed_at is not None:
        raise _gone()


def _gone() -> NotFound:
    return NotFound("there is no such album", "GET /api/v1/albums lists them")


def _printable(told: Any) -> Any:
    """The document with every text printable: paths may hold bytes that are none."""
    if isinstance(told, dict):
        return {key: _printable(value) for key, value in told.items()}
    if isinstance(told, list):
        return [_printable(one) for one in told]
    return printable(told) if isinstance(told, str) else told


def paths() -> dict[str, Part]:
    """The operations, for the API's description."""
    album = {"name": "album_id", "in": "path", "required": True, "schema": ALBUM_ID}

    def with_body(part: Part, properties: dict[str, Any], *required: str) -> Part:
        body = {"type": "object", "properties": properties, "required": [*required], "additionalProperties": False}
        return part | {"requestBody": {"required": True, "content": {"application/json": {"schema": body}}}}

    changing = (404, 413, 415, 507)
    create = with_body(
        operation("createAlbum", "A new album", "Album", [], (413, 415, 507)), {"name": NAME, "ids": IDS}, "name"
    )
    rename = with_body(
        operation("renameAlbum", "Another name for an album", "Album", [album], changing), {"name": NAME}, "name"
    )
    put = operation("putIntoAlbum", "Put pictures into an album, or take them out", "AlbumChanged", [album], changing)
    whole = operation("zipAlbum", "The files of an album as one zip", None, [album], (404,))
    whole["responses"]["200"] = {"description": "the zip, of no known length", "content": {"application/zip": {}}}
    inside = {"type": "boolean", "default": True, "description": "false: take them out"}
    return {
        "/albums": {"get": operation("albums", "All albums", "Albums", []), "post": create},
        "/albums/export": {"get": operation("exportAlbums", "Albums and marks as a file", "AlbumFile", [])},
        "/albums/{album_id}": {
            "patch": rename,
            "delete": operation("deleteAlbum", "Delete an album; its pictures stay", "Album", [album], (404, 507)),
        },
        "/albums/{album_id}/restore": {
            "post": operation("restoreAlbum", "Bring a deleted album back", "Album", [album], (404, 507))
        },
        "/albums/{album_id}/zip": {"get": whole},
        "/albums/{album_id}/pictures": {"post": with_body(put, {"ids": IDS, "inside": inside}, "ids")},
    }
