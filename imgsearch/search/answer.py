"""The last step of a search: candidates and their matches become a page of hits; a calibration ends the list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from imgsearch.records import Hit, Results
from imgsearch.search.calibration import UNDIVIDED, Calibration, PartAgreement
from imgsearch.search.query.description import Query
from imgsearch.search.query.paging import PageCursor, PageStart
from imgsearch.search.request import Candidate, RetrievalRequest, RetrievalResult
from imgsearch.search.rerank import Match, Reranked, fused_order, fused_score, match_texts
from imgsearch.search.text_evidence import fused_by_rank, listed_notes
from imgsearch.search.timing import milliseconds_since

CLOSEST = 8
"""Images that an answer offers where nothing matches with confidence."""


@dataclass(frozen=True, slots=True)
class SearchUnderWay:
    """A query on its way: the request, and the candidates for it."""

    query: Query
    start: PageStart
    request: RetrievalRequest
    found: RetrievalResult
    judged: bool  # whether hits are called confident or not
    sure: bool  # whether any may be
    notes: list[str]
    took: dict[str, float]

    @property
    def depth(self) -> int:
        """Candidates that are re-ranked."""
        return self.request.depth + self.found.lifted

    @property
    def order(self) -> Literal["match", "likeness", "newest"]:
        """What the hits are ordered by."""
        if self.request.image is not None:
            return "likeness"
        return "match" if match_texts(self.request.parsed) else "newest"


def page_of(search: SearchUnderWay, reranked: Reranked, calibration: Calibration | None, started: float) -> Results:
    """The hits from the search's start on, with what has to be said about them. ``calibration``: None if hits are
    not to be judged."""
    query, offset = search.query, search.start.offset
    # By vectors alone few images are sure to match and none is sure not to, so they end no list.
    judged = search.judged and bool(reranked.matches)
    ordered = _ordered(search, reranked.matches, calibration if judged else None)
    ends = judged and not query.everything
    listed = [hit for hit in ordered if hit.confident or hit.words] if ends else ordered
    hits = _ranked(listed, offset, query.k)
    closest = ordered if ends and not listed and not offset else []
    follows = len(listed) > offset + query.k or (search.found.more and len(listed) == len(ordered))
    cursor = PageCursor(offset + len(hits), search.found.generation, search.start.digest).encoded()
    notes = [*search.notes, *reranked.notes]
    if not reranked.complete:
        notes.append(f"the time was up after {reranked.count} of {reranked.due} candidates were re-ranked")
    notes += listed_notes(hits) if ends else []
    if ends and ordered and not listed:
        notes.append("nothing in the library matches with confidence; --all shows the closest")
    return Results(
        query.text,
        hits,
        {**search.took, "total": milliseconds_since(started)},
        reranked.count,
        tuple(notes),
        cursor if follows and hits else None,
        reranked.complete,
        _ranked(closest, 0, CLOSEST),
        search.order,
        (None if follows else len(listed)) if ends else search.found.total,
    )


def _ordered(search: SearchUnderWay, matches: list[Match | None], calibration: Calibration | None) -> list[Hit]:
    """All candidates, best first; with a calibration the confident ones come before the others. Only as many as
    were asked for are sure of their place: others may follow the last candidate."""
    candidates = search.found.candidates
    scores = np.array([found.score for found in candidates], np.float32)
    image_ids = np.array([found.image_id for found in candidates], np.int64)
    padded = [*matches, *[None] * (len(candidates) - len(matches))]
    order = fused_order(scores, matches, image_ids, search.request.parsed).tolist()
    # Behind a snapshot's pool scores begin anew: what follows a doubtful picture is not listed, or the list for
    # few would not be the beginning of the list for many.
    heights = [np.inf if found.lifted else found.z for found in candidates]
    lowest = np.minimum.accumulate(np.array(heights, np.float64)).tolist()
    agreeing = [*search.found.agreements, *[UNDIVIDED] * (len(candidates) - len(search.found.agreements))]
    evidence = [(candidates[place], padded[place], agreeing[place], lowest[place]) for place in order]
    hits = [_hit(search, calibration, *one) for one in evidence]
    hits.sort(key=lambda hit: hit.confident is False)  # stable
    return fused_by_rank(hits, search.found.text_places, search.request.parsed.description)


def _hit(
    search: SearchUnderWay,
    calibration: Calibration | None,
    found: Candidate,
    match: Match | None,
    agreement: PartAgreement,
    lowest_z: float,
) -> Hit:
    """``lowest_z`` of all candidates up to this one."""
    logit = probability = confident = score = None
    if match is not None:
        score = fused_score(found.score, match, search.request.parsed)
        if search.request.parsed.description:
            logit, probability = match.logit, match.probability
    if calibration is not None:
        if not search.sure:
            confident = False
        elif match is None:
            confident = calibration.confident_by_vectors(lowest_z)
        else:
            strength = calibration.strength(match.margin, found.score, found.z, agreement)
            confident = strength >= 0 and not match.shows_unwanted and not match.lacks_thing
    numbers = found.score, logit, probability, confident, score
    return Hit(0, found.image_id, found.source.paths[0], *numbers, found.words)


def _ranked(hits: Sequence[Hit], offset: int, count: int) -> tuple[Hit, ...]:
    """``count`` of the hits behind the first ``offset``, each with its rank."""
    return tuple(replace(hit, rank=place) for place, hit in enumerate(hits[offset : offset + count], offset + 1))
