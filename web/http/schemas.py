"""The JSON that the API speaks, as schemas of OpenAPI 3.1 (JSON Schema 2020-12). tests/web/routes/test_openapi.py holds
the answers to them."""

from __future__ import annotations

from typing import Any

from imgsearch.dedup.evidence.records import TIERS
from web.services.picture_texts import MAX_BEAMS, MAX_QUESTION_CHARS, MAX_TURNS
from web.services.runs.options import JOB_KINDS

Schema = dict[str, Any]


def _object(**properties: Schema) -> Schema:
    """An object that has all of these and nothing else."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _optional(lacking: tuple[str, ...], **properties: Schema) -> Schema:
    """An object that may lack what ``lacking`` names."""
    made = _object(**properties)
    return made | {"required": [each for each in properties if each not in lacking]}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _or_null(schema: Schema) -> Schema:
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return schema | {"type": [schema["type"], "null"]}


def _said(text: str, **schema: Any) -> Schema:
    return {**schema, "description": text}


def ref(name: str) -> Schema:
    """A schema of this page by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
IMAGE_ID = _said("of one content; never used again for another", type="integer", minimum=1)
WHEN = _said("ISO 8601, UTC", type="string")

_HIT = _object(
    rank=_said("from 1 on, through all pages", type="integer", minimum=1),
    image_id=IMAGE_ID,
    itc=_said(
        "score of the first search: ITC, likeness, or their sum; 0 where filters alone were asked", type="number"
    ),
    itm_logit=_or_null(_said("raw logit of the matching head; null for what was not re-ranked", type="number")),
    itm_probability=_or_null(_said("of the matching head", type="number", minimum=0, maximum=1)),
    confident=_or_null(_said("whether it shows what was asked for; null without a calibration", type="boolean")),
    name=_said("of the file; of several files of the picture, of the one that `folder:` or `name:` asks for", **TEXT),
    format=_said("JPEG, PNG, HEIF ...; of camera RAW the kind", type="string"),
    width=_said("pixels, upright", **COUNT),
    height=_said("pixels, upright", **COUNT),
    taken_at=_or_null(_said("ISO 8601 as far as it is known, by the camera's clock", type="string")),
    words=_said("written about it or read in it that were asked for; empty for none", type="string"),
    alt=_said("what it shows, where a stored caption is sure of it; else empty", type="string"),
    thumbnail=_said("path of a WebP; `?size=large` may follow", type="string"),
    page=_said("path of the page about it", type="string"),
)
_ANSWER = _object(
    query=TEXT,
    title=_said("the query as a heading: words instead of filters' names; empty for none", type="string"),
    hits=_list(ref("Hit")),
    closest=_said("only where nothing matches with confidence", **_list(ref("Hit"))),
    notes=_said("sentences for a person", **_list(TEXT)),
    next_cursor=_or_null(_said("for the page behind this one", type="string")),
    total=_or_null(_said("hits on all pages together; null where only the last page will tell", **COUNT)),
    order=_said("ITM's, that of likeness, or the newest in the library first", enum=["match", "likeness", "newest"]),
    judged=_said("whether a calibration says which hits match and, without `all`, ends the list there", **FLAG),
    settled=_said("false where the order may still change: in a stream's first event, or as time was up", **FLAG),
    complete=_said("settled, and nothing follows: this is the last page", **FLAG),
    reranked=_said("candidates that ITM re-read", **COUNT),
    took_ms=_said("stage -> milliseconds", type="object", additionalProperties=NUMBER),
)
_PICTURE = _object(
    image_id=IMAGE_ID,
    name=TEXT,
    width=COUNT,
    height=COUNT,
    format=TEXT,
    size_bytes=COUNT,
    taken_at=_or_null(TEXT),
    taken_source=_or_null(_said("exif, xmp, iptc, gps, png; sidecar, takeout, name, file", type="string")),
    camera=_or_null(TEXT),
    latitude=_or_null(_said("degrees, north positive", type="number")),
    longitude=_or_null(_said("degrees, east positive", type="number")),
    place_source=_or_null(_said("exif, xmp, sidecar, takeout", type="string")),
    rating=_or_null(_said("1 to 5 stars, -1 for a rejected picture", type="integer")),
    words=_list(_object(kind=_said("tag, person, title, caption", type="string"), text=TEXT, source=TEXT)),
    caption=_or_null(ref("Caption")),
    read_words=_or_null(_said("words read in it; null where it was not read", **COUNT)),
    content_hash=_said("sha256 of the file", type="string", pattern="^[0-9a-f]{64}$"),
    files=_list(_object(path=TEXT, root=TEXT, offline=FLAG)),
    lost=_or_null(_said("why no file of it can be read now; null where one can", type="string")),
    **dict.fromkeys(("page", "thumbnail", "large", "full", "original", "download", "match", "similar", "text"), TEXT),
)
_PROBABILITY = _said("of the matching head", type="number", minimum=0, maximum=1)
_CAPTION = _object(
    image_id=IMAGE_ID,
    text=TEXT,
    sure=_said("whether ITM believes it; an unsure one is not searched by, and to be shown as such", type="boolean"),
    itm_probability=_or_null(_PROBABILITY | {"description": "that it fits the picture; null where it was not checked"}),
    generator=_said("what wrote it", type="string"),
    prompt=_said("what it went on from", type="string"),
    made_at=WHEN,
)
_SPOKEN = _object(
    image_id=IMAGE_ID,
    question=TEXT,
    answer=_said("perhaps empty", type="string"),
    statement=_or_null(
        _said('what the answer claims, "not: ..." where it denies it; null where no sentence says it', type="string")
    ),
    itm_probability=_or_null(_PROBABILITY | {"description": "that the statement fits the picture"}),
    generator=_said("what wrote it", type="string"),
)
_CORNERS = {"minItems": 4, "maxItems": 4, **_list({"minItems": 2, "maxItems": 2, **_list(NUMBER)})}
_READ_PART = {
    "text": TEXT,
    "box": _said("corners x, y in fractions of the upright picture, clockwise from where the text begins", **_CORNERS),
    "confidence": _said("of the reader", type="number", minimum=0, maximum=1),
}
_READ_TEXT = _object(
    image_id=IMAGE_ID,
    text=_said("the lines, one below the other", type="string"),
    lines=_list(_object(**_READ_PART, words=_list(_object(**_READ_PART, matched=_said("by `q`", **FLAG))))),
    engine=_said("what read it", type="string"),
    made_at=WHEN,
)
_MATCH = _object(
    itc=NUMBER,
    itm_probability=_or_null(_said("of the matching head", type="number", minimum=0, maximum=1)),
    words=_list(
        _object(word=TEXT, grid=_said("rows from the top, 0..1: where the word looks", **_list(_list(NUMBER))))
    ),
)
_MOVES: Schema = {"enum": ["animation", "film"]}
_FACET = _list(
    _object(
        value=_said("a year is a number", type=["string", "integer"]),
        count=_said("pictures that the filter would find", **COUNT),
        query=_said("the term, such as `year:2024`", type="string"),
        search=_said("the whole query with it; a folder takes the place of the folder before", type="string"),
    )
)
_STATUS = _object(
    library=TEXT,
    created_at=WHEN,
    generation=_said("grows with every commit that can change a search", **COUNT),
    images=COUNT,
    files=COUNT,
    failures=COUNT,
    deleted_images=COUNT,
    model=_object(name=TEXT, fingerprint=TEXT, recipe=TEXT, dtype=TEXT),
    vectors=_object(dtype=TEXT, query_tokens=COUNT, dims=COUNT),
    snapshot=_or_null(ref("Snapshot")),
    disk_bytes=_object(segments=COUNT, snapshots=COUNT, features=COUNT, thumbs=COUNT, catalog=COUNT, total=COUNT),
    roots=_list(_object(root_id=COUNT, path=TEXT, offline=FLAG, files=COUNT, failures=COUNT)),
)
_FAILURES = _object(
    failures=_list(_object(path=TEXT, stage=TEXT, reason=TEXT, transient=FLAG, size_bytes=COUNT, failed_at=WHEN)),
    next_cursor=_or_null(TEXT),
)
_JOB = _object(
    id=COUNT,
    kind={"enum": list(JOB_KINDS)},
    state={"enum": ["running", "stopping", "pausing", "paused", "finished", "stopped", "failed"]},
    started_at=WHEN,
    finished_at=_or_null(WHEN),
    exit_code=_or_null({"type": "integer"}),
    message=_said("what it said on its standard error", type="string"),
    problem=_or_null(_object(detail=TEXT, hint=TEXT)),
    summary=_or_null({"type": "object"}),
    progress=_optional(
        ("stage", "walked"),
        stage=_said("what it does now", type="string"),
        walked=_said("files that were found so far, while folders are looked through", **COUNT),
        total=_or_null(_said("files to deal with; null until it is known", **COUNT)),
        done=COUNT,
        failed=COUNT,
        images_per_s=_or_null(NUMBER),
        seconds_left=_or_null(NUMBER),
    ),
)
_TIER: Schema = {"enum": list(TIERS)}
_DUPLICATE_FILE = _object(
    id=_said("of the file within the plan", type="string", pattern="^[0-9a-f]{16}$"),
    role=_said("kept is in a reference folder", enum=["keep", "kept", "move", "stay"]),
    image_id=COUNT,
    name=TEXT,
    path=TEXT,
    there=_said("whether a file of this name is there now", type="boolean"),
    width=_said("pixels, upright", **COUNT),
    height=_said("pixels, upright", **COUNT),
    format=TEXT,
    size_bytes=COUNT,
    taken_at=_or_null(TEXT),
    camera=_or_null(TEXT),
    evidence=_said("what it has in common with the one to keep", anyOf=[ref("Evidence"), {"type": "null"}]),
    words=_said("the evidence, for a person", type="string"),
    stays=_said('why a copy is not moved; "" where it is', type="string"),
    companions=_said("files that go where it goes, by name", **_list(TEXT)),
    thumbnail=TEXT,
    page=TEXT,
)
_DUPLICATE_GROUP = _object(
    id=_said("the same as long as find finds the same group", type="string", pattern="^[0-9a-f]{24}$"),
    state={"enum": ["open", "accepted", "distinct", "applied"]},
    tier=_said("the weakest of what is moved", **_TIER),
    reason=_said("why that one is kept", type="string"),
    movable=_said("whether accepting it would move anything", type="boolean"),
    moved=_said("files that accepting it moves", **COUNT),
    freed_bytes=COUNT,
    files=_said("the one to keep comes first", **_list(ref("DuplicateFile"))),
    more=_said("files that are not listed", **COUNT),
    also=_said("other groups that show this picture", **_list(_object(id=TEXT, name=TEXT))),
)
_REVIEW = _object(
    created_at=_or_null(_said("of the plan; null where find has not run", type="string")),
    tiers=_list(
        _object(
            tier=_TIER,
            **dict.fromkeys(("open", "accepted", "distinct", "applied"), _said("groups", **COUNT)),
            files=_said("that accepting the open groups would move", **COUNT),
            freed_bytes=_said("by moving these", **COUNT),
        )
    ),
    accepted=_object(groups=COUNT, files=COUNT, freed_bytes=COUNT),
    runs=_said(
        "that have files in the quarantine, the newest first",
        **_list(_object(id=TEXT, started_at=WHEN, files=COUNT, bytes=COUNT)),
    ),
)
_PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457",
    "properties": {
        "type": TEXT,
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": _said("what was received and what was expected", type="string"),
        "hint": _said("what mends it", type="string"),
    },
    "required": ["type", "title", "status", "detail"],
    "additionalProperties": False,
}

_ASKED_TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_QUESTION_CHARS}
QUESTION: Schema = {
    "type": "object",
    "properties": {
        "question": _ASKED_TEXT,
        "history": {
            "type": "array",
            "maxItems": MAX_TURNS,
            "description": "what was asked and answered before, oldest first",
            "items": _object(question=_ASKED_TEXT, answer={"type": "string", "maxLength": MAX_QUESTION_CHARS}),
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

SCHEMAS: dict[str, Schema] = {
    "Hit": _HIT,
    "Answer": _ANSWER,
    "Picture": _PICTURE,
    "Caption": _CAPTION,
    "SpokenAnswer": _SPOKEN,
    "ReadText": _READ_TEXT,
    "Match": _MATCH,
    "Facets": _object(years=_FACET, folders=_FACET, cameras=_FACET, types=_FACET),
    "Motion": _object(
        motion=_list(
            _object(
                image_id=IMAGE_ID,
                kind=_said("an animation is the original itself, a film lies in it or beside it", **_MOVES),
                source=_said("path of what moves", type="string"),
                size_bytes=COUNT,
            )
        )
    ),
    "Alternatives": _object(
        alternatives=_list(
            _object(
                text=_said("for a person", type="string"),
                search=_said("the query", type="string"),
                count=_or_null(_said("pictures that its filters leave; null if not counted", **COUNT)),
            )
        )
    ),
    "Months": _object(
        months=_list(
            _object(
                year=_said("0: without a date", **COUNT),
                month=_said("0: only the year is known", type="integer", minimum=0, maximum=12),
                count=COUNT,
            )
        ),
        total=COUNT,
    ),
    "Stretch": _object(start=COUNT, hits=_list(ref("Hit"))),
    "Paths": _object(paths=_said("without pictures that no file holds", **_list(TEXT))),
    "Snapshot": _object(kind=TEXT, images=COUNT, size_bytes=COUNT, created_at=WHEN),
    "Status": _STATUS,
    "Failures": _FAILURES,
    "Evidence": _object(
        tier=_TIER,
        score=_said("how sure", type="number", minimum=0, maximum=1),
        turn=_said("EXIF orientation that makes it look as the one to keep", type="integer", minimum=1, maximum=8),
        bits=_or_null(_said("in which the pHashes differ", type="integer")),
        difference=_or_null(_said("largest local difference of lightness", type="number")),
        cover=_or_null(_said("share of the one to keep that it shows", type="number")),
        similarity=_or_null(_said("of the embeddings", type="number")),
        seconds=_or_null(_said("between the shots", type="number")),
        why=_said("what decided, where the tier does not say", type="string"),
    ),
    "DuplicateFile": _DUPLICATE_FILE,
    "DuplicateGroup": _DUPLICATE_GROUP,
    "Review": _REVIEW,
    "Duplicates": _object(review=ref("Review"), groups=_list(ref("DuplicateGroup")), next_cursor=_or_null(TEXT)),
    "Decided": _object(changed=_said("groups", **COUNT), review=ref("Review")),
    "Job": _JOB,
    "Jobs": _object(jobs=_list(ref("Job"))),
    "Problem": _PROBLEM,
}
