"""The first stage: candidates from the open index, by vectors and filters, with the catalog's facts about them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from imgsearch.errors import ModelMismatch, UsageError
from imgsearch.index import IndexOpener, open_at_home
from imgsearch.records import Float32, Int64
from imgsearch.search.calibration import PartAgreement, ScoreBackground
from imgsearch.search.features.stored import ImageSource
from imgsearch.search.open_index import Nearest, OpenIndex
from imgsearch.search.query.parser import ParsedQuery
from imgsearch.search.query.parts import Parts, agreements
from imgsearch.search.text_evidence import SOURCES, Lift, TextSource, find_evidence, lift_images
from imgsearch.storage import Store

if TYPE_CHECKING:
    from imgsearch.search.scans import BatchedScans

REFRESHES = 3
"""Views tried if files vanish between the view and the catalog: an index run may commit in between."""

LONGEST_WAIT_S = 0.1
"""While one thread opens a new commit, the others wait this long and then use the previous one. Opening takes
milliseconds in a small library and a second in one of a million images, where a run may commit every second."""


@dataclass(frozen=True, slots=True)
class RetrievalRequest:
    """A parsed query, made ready for the library: what the first stage looks for, and how much of it ITM re-ranks.

    ``text`` is the description's vector [1, D] and ``image`` the tokens [T, D] of an image to compare with; either or
    both may be missing. ``excluding`` are ids of such images, which are no answers. ITM re-ranks the first ``depth``
    candidates, and up to ``reach`` where some show what is not wanted. With ``worded``, images whose texts hold the
    description's words (`text_evidence`) follow the first ``depth``. If ``parts`` of the description are given, with
    their ``vectors`` [P, D], the candidates that may be re-ranked are compared with them."""

    parsed: ParsedQuery
    text: Float32 | None = None
    image: Float32 | None = None
    excluding: tuple[int, ...] = ()
    depth: int = 0
    reach: int = 0
    worded: bool = False
    parts: Parts | None = None
    vectors: Float32 | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image that the vectors found, with the catalog's facts about it. ``score``: ITC, or likeness, or their sum;
    ``z``: by how many deviations the score is above the library's mean for this text; ``words``: the texts about it or
    in it that hold the description's words; ``lifted``: it is a candidate only because of these; ``text_places``: its
    place, from 0 on, in each ranked source of texts."""

    image_id: int
    score: float
    z: float
    source: ImageSource
    words: str = ""
    lifted: bool = False
    text_places: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RetrievalResult:
    candidates: list[Candidate]
    more: bool  # further images pass the filters
    generation: int
    note: str | None = None  # for the person, about the index
    agreements: tuple[PartAgreement, ...] = ()  # how the first candidates agree with the description's parts
    lifted: int = 0  # candidates that words lifted to the places behind the first ``depth``
    total: int = 0  # images that pass the filters

    @property
    def text_places(self) -> dict[int, tuple[int, ...]]:
        """Image id -> its places in ranked sources of texts, for those that are in any."""
        return {one.image_id: one.text_places for one in self.candidates if one.text_places}


class CandidateFinder:
    """Finds candidates in the library as of its last commit, which stays open between queries. Safe between threads."""

    def __init__(
        self,
        store: Store,
        scans: BatchedScans | None = None,
        sources: Sequence[TextSource] = SOURCES,
        opener: IndexOpener = open_at_home,
    ) -> None:
        """``scans`` lets texts that wait at the same time share a sweep. Without it every text gets its own. The
        ``sources`` of texts are asked beside the vectors, in the index that ``opener`` opens."""
        self._store = store
        self._scans = scans
        self._opener = opener
        self._sources = tuple(sources)
        self._opened: OpenIndex | None = None
        self._renewing = threading.Lock()

    def forget(self) -> None:
        """Release the vectors."""
        self._opened = None

    def tokens_of(self, image_id: int) -> Float32:
        """Vectors [T, D] of an image in the library. Raises UsageError for an unknown id."""
        view = self._refreshed().view
        slots = view.slots_of_images(np.array([image_id], np.int64))
        if not len(slots):
            raise UsageError(
                f"the library holds no picture with the id {image_id}", "ids are in `imgsearch search --json`"
            )
        tokens: Float32 = view.read(slots)[0]
        return tokens

    def find(self, request: RetrievalRequest, count: int) -> RetrievalResult:
        """The ``count`` best images that have a file now, best first, ties by image id."""
        for attempt in range(REFRESHES):
            opened = self._refreshed()
            view = opened.view
            allowed = self._allowed_slots(opened, request)
            total = len(opened.shown_slots if allowed is None else allowed)
            best = self._best(opened, request, count, allowed)
            lift = self._lift(opened, request, best, allowed)
            best, slots = lift.best, lift.best.slots
            found = self._resolve(view.image_ids_of(slots), best.scores, best.background)
            if len(found) == len(slots) or not view.changed() or attempt + 1 == REFRESHES:
                break
        agreeing = self._agreements(opened, request, slots, found[: max(request.depth + lift.lifted, request.reach)])
        found = self._with_words(found, request, lift)
        return RetrievalResult(found, total > len(slots), view.generation, opened.note, agreeing, lift.lifted, total)

    def _lift(self, opened: OpenIndex, request: RetrievalRequest, best: Nearest, allowed: Int64 | None) -> Lift:
        """Find the images whose texts hold the description's words, and put the best of them behind the first
        ``depth``."""
        if not (request.worded and request.depth) or request.text is None:
            return Lift(best)
        evidence = find_evidence(self._store, request.parsed.description, self._sources)
        return lift_images(opened, request.text, best, request.depth, evidence, allowed) if evidence else Lift(best)

    def _with_words(self, found: list[Candidate], request: RetrievalRequest, lift: Lift) -> list[Candidate]:
        """Note for each candidate which texts hold the description's words."""
        if not lift.evidence:
            return found
        reasons = lift.evidence.reasons(self._store, request.parsed.description, [one.image_id for one in found])
        places, lifted = lift.evidence.places, range(request.depth, request.depth + lift.lifted)
        return [
            replace(
                one,
                words=reasons[one.image_id],
                lifted=place in lifted,
                text_places=places.get(one.image_id, ()),
            )
            if one.image_id in reasons
            else one
            for place, one in enumerate(found)
        ]

    def _agreements(
        self, opened: OpenIndex, request: RetrievalRequest, slots: Int64, found: list[Candidate]
    ) -> tuple[PartAgreement, ...]:
        """How each of ``found``, whose slots are among ``slots`` [m], agrees with the parts of the description."""
        if request.parts is None or request.vectors is None:
            return ()
        slot_of = dict(zip(opened.view.image_ids_of(slots).tolist(), slots.tolist(), strict=True))
        tokens = opened.view.read(np.array([slot_of[one.image_id] for one in found], np.int64))
        return tuple(agreements(request.parts, request.vectors, tokens, opened.sample))

    def _refreshed(self) -> OpenIndex:
        opened = self._opened
        if opened is not None and not opened.view.changed():
            return opened
        if not self._renewing.acquire(timeout=-1 if opened is None else LONGEST_WAIT_S):
            assert opened is not None
            return opened
        try:
            if self._opened is None or self._opened.view.changed():  # another may have done it while we waited
                self._opened = OpenIndex(self._store, self._opener)
            return self._opened
        except ModelMismatch:  # after a switch its vectors were removed: those that are open stay readable
            if opened is None:
                raise
            return opened
        finally:
            self._renewing.release()

    def _allowed_slots(self, opened: OpenIndex, request: RetrievalRequest) -> Int64 | None:
        """The slots that may answer, ascending; None if all that are shown may."""
        slots = opened.fitting_slots(request.parsed.filters) if request.parsed.filters else None
        if not request.excluding:
            return slots
        view = opened.view
        own = view.slots_of_images(np.array(request.excluding, np.int64))
        return np.setdiff1d(opened.shown_slots if slots is None else slots, own, assume_unique=True)

    def _best(self, opened: OpenIndex, request: RetrievalRequest, count: int, allowed: Int64 | None) -> Nearest:
        """The best allowed slots, by whatever the request holds to rank by."""
        if request.image is not None:
            return opened.alike(request.image, request.text, count, allowed)
        if request.text is None:
            return opened.newest(count, allowed)
        if self._scans is not None and allowed is None:
            return self._scans.nearest(opened, request.text, count)
        return opened.nearest(request.text, count, allowed)[0]

    def _resolve(self, image_ids: Int64, scores: Float32, background: ScoreBackground) -> list[Candidate]:
        """Candidates of ``image_ids`` [n], without images that a later commit has removed."""
        ids = image_ids.tolist()
        records = self._store.images(ids)
        paths = self._store.all_paths(ids)
        return [
            Candidate(
                image_id,
                float(score),
                background.z(score),
                ImageSource.of(paths[image_id], records[image_id].facts),
            )
            for image_id, score in zip(ids, scores.tolist(), strict=True)
            if paths.get(image_id) and image_id in records
        ]
