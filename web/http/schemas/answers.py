"""Schemas of searches and lists."""

from __future__ import annotations

from web.http.schemas.parts import COUNT, FLAG, IMAGE_ID, NUMBER, TEXT, Schema, list_of, object_of, or_null, ref, said

_HIT = object_of(
    rank=said("from 1 on, through all pages", type="integer", minimum=1),
    image_id=IMAGE_ID,
    itc=said("score of the first search: ITC, likeness, or their sum; 0 where filters alone were asked", type="number"),
    itm_logit=or_null(said("raw logit of the matching head; null for what was not re-ranked", type="number")),
    itm_probability=or_null(said("of the matching head", type="number", minimum=0, maximum=1)),
    confident=or_null(said("whether it shows what was asked for; null without a calibration", type="boolean")),
    name=said("of the file; of several files of the picture, of the one that `folder:` or `name:` asks for", **TEXT),
    format=said("JPEG, PNG, HEIF ...; of camera RAW the kind", type="string"),
    width=said("pixels, upright", **COUNT),
    height=said("pixels, upright", **COUNT),
    taken_at=or_null(said("ISO 8601 as far as it is known, by the camera's clock", type="string")),
    words=said("written about it or read in it that were asked for; empty for none", type="string"),
    alt=said("what it shows, where a stored caption is sure of it; else empty", type="string"),
    favourite=FLAG,
    hidden=said("only an answer to `is:hidden` holds such pictures", type="boolean"),
    thumbnail=said("path of a WebP; `?size=medium` or `?size=large` may follow", type="string"),
    page=said("path of the page about it", type="string"),
)
_ANSWER = object_of(
    query=TEXT,
    title=said("the query as a heading: words instead of filters' names; empty for none", type="string"),
    hits=list_of(ref("Hit")),
    closest=said("only where nothing matches with confidence", **list_of(ref("Hit"))),
    notes=said("sentences for a person", **list_of(TEXT)),
    next_cursor=or_null(said("for the page behind this one", type="string")),
    total=or_null(said("hits on all pages together; null where only the last page will tell", **COUNT)),
    order=said("ITM's, that of likeness, or the newest in the library first", enum=["match", "likeness", "newest"]),
    judged=said("whether a calibration says which hits match and, without `all`, ends the list there", **FLAG),
    settled=said("false where the order may still change: in a stream's first event, or as time was up", **FLAG),
    complete=said("settled, and nothing follows: this is the last page", **FLAG),
    reranked=said("candidates that ITM re-read", **COUNT),
    took_ms=said("stage -> milliseconds", type="object", additionalProperties=NUMBER),
)
_FACET = list_of(
    object_of(
        value=said("a year is a number", type=["string", "integer"]),
        count=said("pictures that the filter would find", **COUNT),
        query=said("the term, such as `year:2024`", type="string"),
        search=said("the whole query with it; a folder takes the place of the folder before", type="string"),
    )
)

ANSWERS: dict[str, Schema] = {
    "Hit": _HIT,
    "Answer": _ANSWER,
    "PlaceFacets": object_of(places=_FACET),
    "Facets": object_of(years=_FACET, folders=_FACET, cameras=_FACET, types=_FACET),
    "Alternatives": object_of(
        alternatives=list_of(
            object_of(
                text=said("for a person", type="string"),
                search=said("the query", type="string"),
                count=or_null(said("pictures that its filters leave; null if not counted", **COUNT)),
            )
        )
    ),
    "Months": object_of(
        months=list_of(
            object_of(
                year=said("0: without a date", **COUNT),
                month=said("0: only the year is known", type="integer", minimum=0, maximum=12),
                count=COUNT,
            )
        ),
        total=COUNT,
    ),
    "Stretch": object_of(start=COUNT, hits=list_of(ref("Hit"))),
    "Paths": object_of(paths=said("without pictures that no file holds", **list_of(TEXT))),
}
