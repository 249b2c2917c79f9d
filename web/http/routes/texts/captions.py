"""An image's caption, and answers to questions about it (docs/http-api.md)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from imgsearch.captions.asking import Answered
from imgsearch.errors import UsageError
from imgsearch.search.features.stored import ImageSource
from imgsearch.storage.reads.gallery import ImageDetails
from web.http.answers import caption_json
from web.http.context import client_gone, current_texts
from web.http.parameters import require_json
from web.http.routes.pictures import find_picture
from web.http.routes.streams import stream_events
from web.problems import NotFound, printable
from web.services.picture_texts import MAX_BEAMS, MAX_QUESTION_CHARS, MAX_TURNS, ImageQuestion, Turn, events_of

blueprint = Blueprint("texts", __name__, url_prefix="/api/v1")
blueprint.add_app_template_global(lambda: current_texts().generation.available, "writes")

_MOST_BYTES = 60_000
"""For a question with its history: 17 texts of 500 characters take 34,000 bytes in the largest script."""

_TO_NOBODY = "", 204
"""The answer to a client that has gone."""

_EXAMPLE = 'send {"question": "what is this?"} as application/json'


@blueprint.get("/pictures/<int:image_id>/caption")
@blueprint.get("/images/<int:image_id>/caption")
def show_caption(image_id: int) -> ResponseReturnValue:
    """The stored caption, or one that is made now."""
    picture = find_picture(image_id)
    texts = current_texts()
    found = texts.stored(image_id)
    if found is None and not texts.generation.available:
        raise NotFound(
            f"the picture {image_id} has no caption, and this server has no generator that would write one",
            "`imgsearch caption` writes captions; `imgsearch serve --generator NAME` lets the server do so",
        )
    return jsonify(caption_json(found)) if found else _captioned(picture)


@blueprint.post("/pictures/<int:image_id>/caption")
@blueprint.post("/images/<int:image_id>/caption")
def make_caption(image_id: int) -> ResponseReturnValue:
    """A new caption in place of the stored one."""
    return _captioned(find_picture(image_id))


def _captioned(picture: ImageDetails) -> ResponseReturnValue:
    made = current_texts().caption(picture.record.image_id, source_of(picture), client_gone())
    if made is None:
        return _TO_NOBODY
    return jsonify(caption_json(made))


@blueprint.post("/pictures/<int:image_id>/ask")
@blueprint.post("/images/<int:image_id>/ask")
def ask(image_id: int) -> ResponseReturnValue:
    """An answer, word by word as server-sent events; as a whole for clients that want JSON."""
    source = source_of(find_picture(image_id))
    asked, texts = _read(), current_texts()
    hearing = texts.ask(source, asked, client_gone())

    def said(answer: str) -> dict[str, Any]:
        return said_json(image_id, texts.said(source, asked.question, answer), texts.generation.name)

    happenings = events_of(hearing, said, settled=asked.num_beams == 1)
    kinds = request.accept_mimetypes.best_match(["text/event-stream", "application/json"], "text/event-stream")
    try:
        if kinds == "text/event-stream":
            answer = stream_events(happenings)
            answer.call_on_close(hearing.drop)
            return answer
        for name, data in happenings:
            if name == "answer":
                return jsonify(data)
        return _TO_NOBODY
    except BaseException:
        hearing.drop()
        raise


def source_of(picture: ImageDetails) -> ImageSource:
    """Where the image may be read."""
    return ImageSource.of([place.path for place in picture.places], picture.record.facts)


def said_json(image_id: int, said: Answered, generator: str) -> dict[str, Any]:
    """An answer in the API's form."""
    return {
        "image_id": image_id,
        "question": printable(said.question),
        "answer": printable(said.text),
        "statement": None if said.statement is None else printable(said.statement),
        "itm_probability": said.probability,
        "generator": printable(generator),
    }


def _read() -> ImageQuestion:
    """The question in the request's body. Raises UsageError, UnsupportedMediaType."""
    require_json()
    request.max_content_length = _MOST_BYTES
    try:
        given = request.get_json(silent=True)
    except RecursionError:  # thousands of brackets
        given = None
    if not isinstance(given, dict):
        raise UsageError("the request holds no question", _EXAMPLE)
    unknown = sorted(set(given) - {"question", "history", "num_beams"})
    if unknown:
        raise UsageError(f"got {printable(unknown[0][:40])!r}, expected question, history, num_beams", _EXAMPLE)
    history = given.get("history", [])
    if history is None:
        history = []
    if not isinstance(history, list) or len(history) > MAX_TURNS:
        raise UsageError(
            f"got a history that is no list of at most {MAX_TURNS} turns", "send the last ones, or leave it out"
        )
    beams = given.get("num_beams", 1)
    if isinstance(beams, bool) or not isinstance(beams, int) or not 1 <= beams <= MAX_BEAMS:
        raise UsageError(f"got num_beams that is no whole number from 1 to {MAX_BEAMS}", "leave it out")
    return ImageQuestion(_text(given, "question"), tuple(_turn(one) for one in history), beams)


def _turn(given: Any) -> Turn:
    if not isinstance(given, dict) or set(given) - {"question", "answer"}:
        raise UsageError("got a turn of the history that is no question with its answer", _EXAMPLE)
    return Turn(_text(given, "question"), _text(given, "answer", empty=True))


def _text(given: dict[str, Any], name: str, *, empty: bool = False) -> str:
    value = given.get(name)
    if not isinstance(value, str):
        raise UsageError(f"got no text as {name}, expected one", _EXAMPLE)
    if len(value) > MAX_QUESTION_CHARS:
        raise UsageError(
            f"got {name} of {len(value):,} characters, expected {MAX_QUESTION_CHARS} or fewer", "shorten it"
        )
    text = " ".join(value.split())
    if not text and not empty:
        raise UsageError(f"got an empty {name}", _EXAMPLE)
    return text
