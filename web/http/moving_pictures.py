"""How pictures move: which of them do, and the films of Live Photos and motion photos, by the picture's id alone."""

from __future__ import annotations

import contextlib
from typing import IO, cast

from flask import Blueprint, Response, current_app, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.wsgi import wrap_file

from imgsearch.errors import UsageError
from imgsearch.storage.reads.gallery import read_picture
from web.http.context import current_service, rooted
from web.http.routes.images import OpenFilePart, asked_range
from web.http.routes.pictures import find_picture
from web.problems import Gone, NotFound, printable
from web.services.motion import Motions, open_regular

blueprint = Blueprint("moving_pictures", __name__, url_prefix="/api/v1")

MOST_IDS = 100
_MOTIONS = "imgsearch.motions"


@blueprint.get("/motion")
def show_motion() -> ResponseReturnValue:
    """Those of ?ids=1,2,3 that move, and how."""
    store, found = current_service().store, []
    for image_id in _read_ids(request.args.get("ids", "")):
        picture = read_picture(store, image_id)
        motion = None if picture is None else _motions().of(picture)
        if motion is not None:
            name = "film" if motion.kind == "film" else "original"
            source = rooted(f"/api/v1/pictures/{image_id}/{name}")
            found.append({"image_id": image_id, "kind": motion.kind, "source": source, "size_bytes": motion.size_bytes})
    return jsonify({"motion": found})


@blueprint.get("/pictures/<int:image_id>/film")
def show_film(image_id: int) -> ResponseReturnValue:
    """The film, or a range of it."""
    motion = _motions().of(find_picture(image_id))
    if motion is None or motion.kind != "film":
        raise NotFound(f"the picture {image_id} has no film", "GET /api/v1/motion tells which have one")
    answer = Response(mimetype="video/mp4")  # QuickTime films are of the same make, and so are played
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer.headers["Accept-Ranges"] = "bytes"
    with contextlib.ExitStack() as held:
        try:
            stream, size = held.enter_context(open_regular(motion.path))
        except OSError as exc:
            raise Gone("the film is not there any more", "`imgsearch index` brings the library up to date") from exc
        length = max(0, min(motion.size_bytes, size - motion.offset))
        first, stop = asked_range(answer, length)
        part = OpenFilePart(stream, motion.offset + first, motion.offset + stop, held.pop_all().close)
    answer.response = wrap_file(request.environ, cast(IO[bytes], part), 1 << 16)
    answer.direct_passthrough = True
    answer.content_length = stop - first
    return answer


def _read_ids(text: str) -> list[int]:
    parts = [part for part in text.split(",") if part]
    if not parts or len(parts) > MOST_IDS or not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError(f"got ids={printable(text[:40])}, expected 1 to {MOST_IDS} numbers", "for example ids=17,18")
    return [int(part) for part in dict.fromkeys(parts) if len(part) < 19]


def _motions() -> Motions:
    return cast(Motions, current_app.extensions.setdefault(_MOTIONS, Motions()))
