"""Reads a request's parameters, and writes a search's answer as the JSON of docs/http-api.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from werkzeug.datastructures import MultiDict

from imgsearch.errors import UsageError
from imgsearch.media.thumbnail import recipe_of
from imgsearch.records import Float32, Hit, ImageRecord, MediaFacts, Results
from imgsearch.search.query.description import Query
from imgsearch.search.selection import SORTS
from imgsearch.storage import Store, StoredCaption
from imgsearch.storage.catalog.collected.marks import MARKS
from imgsearch.storage.reads.captions import read_captions
from imgsearch.storage.reads.collected import read_marks
from web.http.context import rooted
from web.problems import printable
from web.services.named_files import best_named, naming_of
from web.services.search_service import SearchService
from web.services.sorting import sorted_search
from web.wording import heading_of, spoken

LIMIT, MOST = 50, 500
"""Hits a page: by default, and at most."""

MOST_RERANKED = 128
"""Candidates that one request may re-rank: as many as BLIP-2's authors do; 1 s of the small model."""

LONGEST_CURSOR = 500  # characters; ours have about 50

Parameters = MultiDict[str, str]


EVERY_PICTURE = "width:>0"
"""Filters alone list images, the newest in the library first: what is shown before any search."""


def read_query(parameters: Parameters, *, pictured: bool = False) -> Query:
    """The query of ?q&limit&cursor&rerank&all; without ``q`` it lists the library, unless it comes ``pictured``, with
    an image. Raises UsageError for a wrong parameter; the service judges the text of ``q``."""
    cursor = parameters.get("cursor") or None
    if cursor is not None and len(cursor) > LONGEST_CURSOR:
        raise UsageError("got a cursor that no answer gave", "leave the cursor out to begin with the first page")
    return Query(
        parameters.get("q", "" if pictured else EVERY_PICTURE),
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


def find(service: SearchService, query: Query, picture: Float32 | None = None, sort: str = "best") -> dict[str, Any]:
    """The answer to ``query``; if nothing matches with confidence, with the closest few beside it."""
    found = service.search(query, picture) if sort == "best" else sorted_search(service, query, sort)
    return search_json(service, found)


def read_sort(parameters: Parameters) -> str:
    """?sort. Raises UsageError."""
    sort = parameters.get("sort", "best")
    if sort not in SORTS:
        raise UsageError(f"got sort={printable(sort[:40])}, expected one of {', '.join(SORTS)}", "leave sort out")
    return sort


def first_json(service: SearchService, query: Query, results: Results) -> dict[str, Any]:
    """The answer by vectors alone, which the re-rank will change: where a calibration ends lists, only what is being
    re-ranked, since most of the rest is about to go."""
    judged = service.judges(query)
    if judged and not query.everything:
        results = replace(results, hits=results.hits[: service.reading(query)], next_cursor=None, total=None)
    return search_json(service, replace(results, complete=False)) | {"judged": judged}


def search_json(service: SearchService, results: Results) -> dict[str, Any]:
    """``results`` as an answer."""
    hits = (*results.hits, *results.closest)
    ids = [hit.image_id for hit in hits]
    store = service.store
    files = _Files(
        store.images(ids), read_captions(store, ids), names_of(store, results.query, hits), read_marks(store, ids)
    )
    return {
        "query": "" if results.query == EVERY_PICTURE else printable(results.query),
        "title": printable(_title(service.store, results.query)),
        "hits": files.of(results.hits),
        "closest": files.of(results.closest),
        "notes": [printable(spoken(note)) for note in results.notes],
        "next_cursor": results.next_cursor,
        "total": results.total,
        "order": results.order,
        "judged": any(hit.confident is not None for hit in hits),
        "settled": results.complete,
        "complete": results.complete and results.next_cursor is None,
        "reranked": results.reranked,
        "took_ms": results.took_ms,
    }


def _title(store: Store, text: str) -> str:
    return "" if text == EVERY_PICTURE else heading_of(text, partial(_name_of, store))


def names_of(store: Store, text: str, hits: Sequence[Hit]) -> dict[int, str]:
    """Image id -> name of the file that the query asks for by its folder or name, where an image has several."""
    naming = naming_of(text)
    if naming is None:
        return {}
    paths = store.all_paths([hit.image_id for hit in hits])
    return {image_id: best_named(found, naming).name for image_id, found in paths.items() if len(found) > 1}


def _name_of(store: Store, image_id: int) -> str | None:
    found = store.all_paths([image_id]).get(image_id)
    return found[0].name if found else None


@dataclass(frozen=True, slots=True)
class _Files:
    """What is known of the images of an answer, by id."""

    records: dict[int, ImageRecord]
    captions: dict[int, StoredCaption]
    names: dict[int, str]
    marks: dict[int, tuple[str, ...]]

    def of(self, hits: Sequence[Hit]) -> list[dict[str, Any]]:
        """The hits without those that a compaction removed since they were found."""
        return [self._hit(hit) for hit in hits if hit.image_id in self.records]

    def _hit(self, hit: Hit) -> dict[str, Any]:
        record, caption = self.records[hit.image_id], self.captions.get(hit.image_id)
        marks = self.marks.get(hit.image_id, ())
        told = {name: name in marks for name in MARKS}
        return _hit(hit, record, caption) | told | {"name": printable(self.names.get(hit.image_id, hit.path.name))}


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
        "format": facts.format,
        "width": facts.width,
        "height": facts.height,
        "taken_at": None if record.dated_source == "file" else record.dated_at,  # a file's time is no shot's
        "words": printable(hit.words),
        "alt": printable(caption.text) if caption is not None and caption.sure else "",
        "thumbnail": thumbnail_path(record),
        "page": rooted(f"/pictures/{hit.image_id}"),
    }


def album_search(name: str) -> str:
    """The query that finds an album."""
    plain = name.replace('"', "")
    return f'album:"{plain}"' if any(letter.isspace() for letter in plain) else f"album:{plain}"


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
    it for ever and never shows it for the image of that id in another library; ``?size=medium`` or ``?size=large`` may
    follow."""
    return rooted(f"/api/v1/pictures/{record.image_id}/thumbnail/{thumbnail_version(record)}")


def thumbnail_version(record: ImageRecord) -> str:
    """A text that differs from that of any other thumbnail of the same id."""
    return version_of(record.facts)


def version_of(facts: MediaFacts) -> str:
    """The same for a content, including its orientation."""
    turn = f"-o{facts.told_orientation}" if facts.told_orientation else ""
    return f"{facts.content_hash[:16]}-{recipe_of(facts.width, facts.height)}{turn}"
