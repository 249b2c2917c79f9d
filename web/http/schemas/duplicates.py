"""Schemas of duplicates."""

from __future__ import annotations

from imgsearch.dedup.evidence.records import TIERS
from web.http.schemas.parts import COUNT, TEXT, WHEN, Schema, list_of, object_of, or_null, ref, said

_TIER: Schema = {"enum": list(TIERS)}
_DUPLICATE_FILE = object_of(
    id=said("of the file within the plan", type="string", pattern="^[0-9a-f]{16}$"),
    role=said("kept is in a reference folder", enum=["keep", "kept", "move", "stay"]),
    image_id=COUNT,
    name=TEXT,
    path=TEXT,
    there=said("whether a file of this name is there now", type="boolean"),
    width=said("pixels, upright", **COUNT),
    height=said("pixels, upright", **COUNT),
    format=TEXT,
    size_bytes=COUNT,
    taken_at=or_null(TEXT),
    camera=or_null(TEXT),
    evidence=said("what it has in common with the one to keep", anyOf=[ref("Evidence"), {"type": "null"}]),
    words=said("the evidence, for a person", type="string"),
    stays=said('why a copy is not moved; "" where it is', type="string"),
    companions=said("files that go where it goes, by name", **list_of(TEXT)),
    thumbnail=TEXT,
    page=TEXT,
)
_DUPLICATE_GROUP = object_of(
    id=said("the same as long as find finds the same group", type="string", pattern="^[0-9a-f]{24}$"),
    state={"enum": ["open", "accepted", "distinct", "applied"]},
    tier=said("the weakest of what is moved", **_TIER),
    reason=said("why that one is kept", type="string"),
    movable=said("whether accepting it would move anything", type="boolean"),
    moved=said("files that accepting it moves", **COUNT),
    freed_bytes=COUNT,
    files=said("the one to keep comes first", **list_of(ref("DuplicateFile"))),
    more=said("files that are not listed", **COUNT),
    also=said("other groups that show this picture", **list_of(object_of(id=TEXT, name=TEXT))),
)
_REVIEW = object_of(
    created_at=or_null(said("of the plan; null where find has not run", type="string")),
    tiers=list_of(
        object_of(
            tier=_TIER,
            **dict.fromkeys(("open", "accepted", "distinct", "applied"), said("groups", **COUNT)),
            files=said("that accepting the open groups would move", **COUNT),
            freed_bytes=said("by moving these", **COUNT),
        )
    ),
    accepted=object_of(groups=COUNT, files=COUNT, freed_bytes=COUNT),
    runs=said(
        "that have files in the quarantine, the newest first",
        **list_of(object_of(id=TEXT, started_at=WHEN, files=COUNT, bytes=COUNT)),
    ),
)

DUPLICATES: dict[str, Schema] = {
    "Evidence": object_of(
        tier=_TIER,
        score=said("how sure", type="number", minimum=0, maximum=1),
        turn=said("EXIF orientation that makes it look as the one to keep", type="integer", minimum=1, maximum=8),
        bits=or_null(said("in which the pHashes differ", type="integer")),
        difference=or_null(said("largest local difference of lightness", type="number")),
        cover=or_null(said("share of the one to keep that it shows", type="number")),
        similarity=or_null(said("of the embeddings", type="number")),
        seconds=or_null(said("between the shots", type="number")),
        why=said("what decided, where the tier does not say", type="string"),
    ),
    "DuplicateFile": _DUPLICATE_FILE,
    "DuplicateGroup": _DUPLICATE_GROUP,
    "Review": _REVIEW,
    "Duplicates": object_of(review=ref("Review"), groups=list_of(ref("DuplicateGroup")), next_cursor=or_null(TEXT)),
    "Decided": object_of(changed=said("groups", **COUNT), review=ref("Review")),
}
