"""One image: its facts, and why it matched."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from imgsearch.places import named_place
from imgsearch.storage import Store
from imgsearch.storage.catalog.collected.marks import MARKS
from imgsearch.storage.reads.collected import albums_of, read_marks
from imgsearch.storage.reads.gallery import ImageDetails, ImagePlace, read_picture
from imgsearch.storage.reads.image_texts import read_texts
from web.http.answers import album_search, caption_json, thumbnail_path
from web.http.context import current_service, current_texts, rooted
from web.problems import NotFound, printable
from web.services.named_files import naming_of

blueprint = Blueprint("pictures", __name__, url_prefix="/api/v1/pictures")


@blueprint.get("/<int:image_id>")
def show_picture(image_id: int) -> ResponseReturnValue:
    """Size, format, camera, date, coordinates, every file that holds it, and links."""
    return jsonify(picture_json(find_picture(image_id), request.args.get("q", "")))


@blueprint.get("/<int:image_id>/match")
def show_match(image_id: int) -> ResponseReturnValue:
    """How well ``q`` matches the image, and where each of its words looks."""
    found = current_service().explain(request.args.get("q", ""), find_picture(image_id).record.image_id)
    return jsonify(found)


def find_picture(image_id: int) -> ImageDetails:
    """The image of that id. Raises NotFound."""
    picture = read_picture(current_service().store, image_id) if image_id < 1 << 63 else None
    if picture is None:
        raise NotFound(f"the library holds no picture with the id {image_id}", "ids come with a search's answer")
    return picture


def named_places(picture: ImageDetails, query: str) -> tuple[ImagePlace, ...]:
    """Every file of an image, those first that ``query`` asks for by folder or name."""
    naming = naming_of(query)
    if naming is None:
        return picture.places
    return tuple(sorted(picture.places, key=lambda place: not naming(place.path)))  # stable


def picture_json(picture: ImageDetails, query: str = "") -> dict[str, Any]:
    """An image in the API's form, which its page shows too. Names and downloads are those of the file that ``query``
    asks for by folder or name, if there is one."""
    record, facts = picture.record, picture.record.facts
    places = named_places(picture, query)
    link = rooted(f"/api/v1/pictures/{record.image_id}")
    asked = f"q={quote(query)}" if naming_of(query) is not None else ""
    caption = current_texts().stored(record.image_id)
    text = read_texts(current_service().store, [record.image_id]).get(record.image_id)
    return {
        "image_id": record.image_id,
        "name": printable(places[0].path.name),
        "width": facts.width,
        "height": facts.height,
        "format": facts.format,
        "size_bytes": facts.size_bytes,
        "taken_at": record.dated_at,
        "taken_source": record.dated_source,
        "camera": None if facts.camera is None else printable(facts.camera),
        "latitude": facts.latitude,
        "longitude": facts.longitude,
        "place_source": facts.place_source or (None if facts.latitude is None else "exif"),
        "place": named_place(facts.latitude, facts.longitude),
        "rating": facts.rating,
        "words": [{"kind": word.kind, "text": printable(word.text), "source": word.source} for word in picture.words],
        "caption": None if caption is None else caption_json(caption),
        **collected_json(current_service().store, record.image_id),
        "read_words": None if text is None else len(text.words),
        "content_hash": facts.content_hash,
        "files": [_file_json(place) for place in places],
        "lost": None if any(map(_is_there, places)) else _loss(places),
        "page": rooted(f"/pictures/{record.image_id}"),
        "thumbnail": thumbnail_path(record),
        "large": f"{thumbnail_path(record)}?size=large",
        "full": f"{link}/full",
        "original": f"{link}/original{'?' if asked else ''}{asked}",
        "download": f"{link}/original?download=1{'&' if asked else ''}{asked}",
        "match": f"{link}/match",
        "text": f"{link}/text",
        "similar": rooted(f"/api/v1/search?q=similar:{record.image_id}"),
    }


def collected_json(store: Store, image_id: int) -> dict[str, Any]:
    """What a person keeps about an image: marks and albums."""
    marks = read_marks(store, [image_id]).get(image_id, ())
    albums = [(album.album_id, printable(album.name)) for album in albums_of(store, image_id)]
    return {name: name in marks for name in MARKS} | {
        "albums": [{"id": album_id, "name": name, "search": album_search(name)} for album_id, name in albums]
    }


def _file_json(place: ImagePlace) -> dict[str, Any]:
    return {"path": printable(str(place.path)), "root": printable(str(place.root)), "offline": place.offline}


def _is_there(place: ImagePlace) -> bool:
    """Whether a file of the indexed size lies there now; its content is checked when it is sent."""
    try:
        return place.path.stat().st_size == place.size_bytes
    except (OSError, ValueError):
        return False


def _loss(places: Sequence[ImagePlace]) -> str:
    """Why no file of an image can be read, in words."""
    if all(place.offline for place in places):
        return "the drive or folder that holds it is not connected"
    changed = any(os.path.lexists(place.path) for place in places)
    return "another file is in its place now" if changed else "the file was deleted, moved or renamed"
