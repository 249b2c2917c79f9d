"""Reads a request's parameters, and writes a search's answer as the JSON of docs/http-api.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from werkzeug.datastructures import MultiDict

from imgsearch.errors import UsageError
from imgsearch.media.thumbnail import RECIPE
from imgsearch.records import Float32, Hit, ImageRecord, MediaFacts, Results
from imgsearch.search.query.description import Query
from imgsearch.storage import StoredCaption
from imgsearch.storage.reads.captions import read_captions
from web.http.context import rooted
from web.problems import printable
from web.services.search_service import SearchService

LIMIT, MOST = 50, 500
"""Hits a page: by default, and at most."""

MOST_RERANKED = 128
"""Candidates that one request may re-rank: as many as BLIP-2's authors do; 1 s of the small model."""

LONGEST_CURSOR = 500  # characters; ours have about 50

Parameters = MultiDict[str, str]


def read_query(parameters: Parameters) -> Query:
    """The query of ?q&limit&cursor&rerank&all. Raises UsageError for a wrong parameter; the service judges the text of
    ``q``."""
    cursor = parameters.get("cursor") or None
    if cursor is not None and len(cursor) > LONGEST_CURSOR:
        raise UsageError("got a cursor that no answer gave", "leave the cursor out to begin with the first page")
    return Query(
        parameters.get("q", ""),
        k=read_number(parameters, "limit", LIMIT, 1, MOST),
        rerank=read_number(parameters, "rerank", -1, -1, MOST_RERANKED),
        cursor=cursor,
        everything=bool(read_number(parameters, "all", 0, 0, 1)),
    )


def read_number(parameters: Parameters, name: str, default: int, least: int, most: int) -> int:
    """A whole number among the parameters, ``default`` if it is not given. Raises UsageError."""
    text = parameters.get(name)
    if text is None:
        return default
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10 and least <= int(text) <= most):
        raise UsageError(
            f"got {name}={printable(text[:40])}, expected a whole number from {least} to {most}", f"leave {name} out"
        )
    return int(text)


def find(service: SearchService, query: Query, picture: Float32 | None = None) -> dict[str, Any]:
    """The answer to ``query``; if nothing matches with confidence, with the closest few beside it."""
    return search_json(service, service.search(query, picture))


def search_json(service: SearchService, results: Results) -> dict[str, Any]:
    """``results`` as an answer."""
    ids = [hit.image_id for hit in (*results.hits, *results.closest)]
    records, captions = service.store.images(ids), read_captions(service.store, ids)
    return {
        "query": printable(results.query),
        "hits": _hits(results.hits, records, captions),
        "closest": _hits(results.closest, records, captions),
        "notes": [printable(note.partition("; --all")[0]) for note in results.notes],  # --all is the command line's
        "next_cursor": results.next_cursor,
        "complete": results.complete,
        "reranked": results.reranked,
        "took_ms": results.took_ms,
    }


def _hits(
    hits: Sequence[Hit], records: dict[int, ImageRecord], captions: dict[int, StoredCaption]
) -> list[dict[str, Any]]:
    """The hits without those that a compaction removed since they were found."""
    return [_hit(hit, records[hit.image_id], captions.get(hit.image_id)) for hit in hits if hit.image_id in records]


def _hit(hit: Hit, record: ImageRecord, caption: StoredCaption | None) -> dict[str, Any]:
    facts = record.facts
    return {
        "rank": hit.rank,
        "image_id": hit.image_id,
        "itc": hit.itc,
        "itm_logit": hit.itm_logit,
        "itm_probability": hit.itm_probability,
        "confident": hit.confident,
        "name": printable(hit.path.name),
        "width": facts.width,
        "height": facts.height,
        "taken_at": None if record.dated_source == "file" else record.dated_at,  # a file's time is no shot's
        "words": printable(hit.words),
        "alt": printable(caption.text) if caption is not None and caption.sure else "",
        "thumbnail": thumbnail_path(record),
        "page": rooted(f"/pictures/{hit.image_id}"),
    }


def caption_json(caption: StoredCaption) -> dict[str, Any]:
    """A caption as the API tells it."""
    return {
        "image_id": caption.image_id,
        "text": printable(caption.text),
        "sure": caption.sure,
        "itm_probability": caption.probability,
        "generator": printable(caption.generator),
        "prompt": printable(caption.prompt),
        "made_at": caption.made_at,
    }


def thumbnail_path(record: ImageRecord) -> str:
    """The address of an image's thumbnail. It names the content and how thumbnails are made, so that a browser may keep
    it for ever and never shows it for the image of that id in another library; ``?size=large`` may follow."""
    return rooted(f"/api/v1/pictures/{record.image_id}/thumbnail/{thumbnail_version(record)}")


def thumbnail_version(record: ImageRecord) -> str:
    """A text that differs from that of any other thumbnail of the same id."""
    return version_of(record.facts)


def version_of(facts: MediaFacts) -> str:
    """The same for a content, including its orientation."""
    turn = f"-o{facts.told_orientation}" if facts.told_orientation else ""
    return f"{facts.content_hash[:16]}-{RECIPE}{turn}"
