"""Schemas of one picture, and of what is written about it."""

from __future__ import annotations

from web.http.schemas.parts import (
    COUNT,
    FLAG,
    IMAGE_ID,
    NUMBER,
    TEXT,
    WHEN,
    Schema,
    list_of,
    object_of,
    or_null,
    ref,
    said,
)
from web.services.picture_texts import MAX_BEAMS, MAX_QUESTION_CHARS, MAX_TURNS

_PLACE_NAME = object_of(
    said=said("for a person: a town it lies in, or how far from the nearest", type="string"),
    name=TEXT,
    country=said("in English", type="string"),
    country_code=said("ISO 3166-1", type="string"),
    state=or_null(said("in the United States alone", type="string")),
    km=said("from the middle of the town", type="number", minimum=0),
)
_PICTURE = object_of(
    image_id=IMAGE_ID,
    name=TEXT,
    width=COUNT,
    height=COUNT,
    format=TEXT,
    size_bytes=COUNT,
    taken_at=or_null(TEXT),
    taken_source=or_null(said("exif, xmp, iptc, gps, png; sidecar, takeout, name, file", type="string")),
    camera=or_null(TEXT),
    latitude=or_null(said("degrees, north positive", type="number")),
    longitude=or_null(said("degrees, east positive", type="number")),
    place_source=or_null(said("exif, xmp, sidecar, takeout", type="string")),
    place=or_null(ref("PlaceName")),
    rating=or_null(said("1 to 5 stars, -1 for a rejected picture", type="integer")),
    words=list_of(object_of(kind=said("tag, person, title, caption", type="string"), text=TEXT, source=TEXT)),
    caption=or_null(ref("Caption")),
    favourite=FLAG,
    hidden=FLAG,
    albums=said("that hold it, by name", **list_of(object_of(id=TEXT, name=TEXT, search=TEXT))),
    read_words=or_null(said("words read in it; null where it was not read", **COUNT)),
    content_hash=said("sha256 of the file", type="string", pattern="^[0-9a-f]{64}$"),
    files=list_of(object_of(path=TEXT, root=TEXT, offline=FLAG)),
    lost=or_null(said("why no file of it can be read now; null where one can", type="string")),
    **dict.fromkeys(("page", "thumbnail", "large", "full", "original", "download", "match", "similar", "text"), TEXT),
)
_PROBABILITY = said("of the matching head", type="number", minimum=0, maximum=1)
_CAPTION = object_of(
    image_id=IMAGE_ID,
    text=TEXT,
    sure=said("whether ITM believes it; an unsure one is not searched by, and to be shown as such", type="boolean"),
    itm_probability=or_null(_PROBABILITY | {"description": "that it fits the picture; null where it was not checked"}),
    generator=said("what wrote it", type="string"),
    prompt=said("what it went on from", type="string"),
    made_at=WHEN,
)
_SPOKEN = object_of(
    image_id=IMAGE_ID,
    question=TEXT,
    answer=said("perhaps empty", type="string"),
    statement=or_null(
        said('what the answer claims, "not: ..." where it denies it; null where no sentence says it', type="string")
    ),
    itm_probability=or_null(_PROBABILITY | {"description": "that the statement fits the picture"}),
    generator=said("what wrote it", type="string"),
)
_CORNERS = {"minItems": 4, "maxItems": 4, **list_of({"minItems": 2, "maxItems": 2, **list_of(NUMBER)})}
_READ_PART = {
    "text": TEXT,
    "box": said("corners x, y in fractions of the upright picture, clockwise from where the text begins", **_CORNERS),
    "confidence": said("of the reader", type="number", minimum=0, maximum=1),
}
_READ_TEXT = object_of(
    image_id=IMAGE_ID,
    text=said("the lines, one below the other", type="string"),
    lines=list_of(object_of(**_READ_PART, words=list_of(object_of(**_READ_PART, matched=said("by `q`", **FLAG))))),
    engine=said("what read it", type="string"),
    made_at=WHEN,
)
_MATCH = object_of(
    itc=NUMBER,
    itm_probability=or_null(said("of the matching head", type="number", minimum=0, maximum=1)),
    words=list_of(
        object_of(word=TEXT, grid=said("rows from the top, 0..1: where the word looks", **list_of(list_of(NUMBER))))
    ),
)
_MOVES: Schema = {"enum": ["animation", "film"]}
_ASKED_TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_QUESTION_CHARS}
QUESTION: Schema = {
    "type": "object",
    "properties": {
        "question": _ASKED_TEXT,
        "history": {
            "type": "array",
            "maxItems": MAX_TURNS,
            "description": "what was asked and answered before, oldest first",
            "items": object_of(question=_ASKED_TEXT, answer={"type": "string", "maxLength": MAX_QUESTION_CHARS}),
        },
        "num_beams": {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_BEAMS,
            "default": 1,
            "description": "1 is greedy, so that each token stays; with more, all comes in one token",
        },
    },
    "required": ["question"],
    "additionalProperties": False,
}


PICTURES: dict[str, Schema] = {
    "Picture": _PICTURE,
    "PlaceName": _PLACE_NAME,
    "Caption": _CAPTION,
    "SpokenAnswer": _SPOKEN,
    "ReadText": _READ_TEXT,
    "Match": _MATCH,
    "Motion": object_of(
        motion=list_of(
            object_of(
                image_id=IMAGE_ID,
                kind=said("an animation is the original itself, a film lies in it or beside it", **_MOVES),
                source=said("path of what moves", type="string"),
                size_bytes=COUNT,
            )
        )
    ),
}
