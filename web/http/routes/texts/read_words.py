"""The words that were read in an image, with where they stand (docs/http-api.md)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from imgsearch.errors import UsageError
from imgsearch.search.query.parser import parse
from imgsearch.search.text_marks import marked_words
from imgsearch.storage import StoredText, TextLine, TextWord
from imgsearch.storage.reads.image_texts import read_texts
from web.config import MAX_QUERY_CHARS
from web.http.context import current_service
from web.http.routes.pictures import find_picture
from web.problems import NotFound, printable

blueprint = Blueprint("read_words", __name__, url_prefix="/api/v1")


@blueprint.get("/pictures/<int:image_id>/text")
@blueprint.get("/images/<int:image_id>/text")
def show_text(image_id: int) -> ResponseReturnValue:
    """The words read in the image; those that ``q`` asks for are marked."""
    query = request.args.get("q", "")
    if len(query) > MAX_QUERY_CHARS:
        raise UsageError(
            f"got a query of {len(query):,} characters, expected {MAX_QUERY_CHARS:,} or fewer", "shorten it"
        )
    find_picture(image_id)
    text = read_texts(current_service().store, [image_id]).get(image_id)
    if text is None:
        raise NotFound(f"the words of the picture {image_id} were not read", "`imgsearch read --all` reads them")
    return jsonify(text_json(text, query))


def text_json(text: StoredText, query: str) -> dict[str, Any]:
    """What was read in the API's form."""
    marks = iter(marked_words(parse(query), [word.text for word in text.words]))
    return {
        "image_id": text.image_id,
        "text": printable(text.text),
        "lines": [
            {**_part(line), "words": [{**_part(word), "matched": next(marks)} for word in line.words]}
            for line in text.lines
        ],
        "engine": printable(text.engine),
        "made_at": text.made_at,
    }


def _part(part: TextLine | TextWord) -> dict[str, Any]:
    corners = [list(part.box[at : at + 2]) for at in (0, 2, 4, 6)]
    return {"text": printable(part.text), "box": corners, "confidence": part.confidence}
