"""The first stage: candidates from the library as of one commit, by vectors, filters and texts, with their facts.

Only this module asks the index and the catalog on behalf of a query."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from cachetools import LRUCache

from imgsearch.errors import ModelMismatch, UsageError
from imgsearch.index import IndexOpener, open_at_home, rank_order
from imgsearch.records import Filters, Float32, Int64
from imgsearch.search.calibration import NO_BACKGROUND, KeptBackgrounds, PartAgreement, ScoreBackground, evenly
from imgsearch.search.features.stored import ImageSource
from imgsearch.search.query.parts import agreements
from imgsearch.search.request import Candidate, Nearest, RetrievalRequest, RetrievalResult
from imgsearch.search.similarity import POOL, mean_vector, similarity
from imgsearch.search.text_evidence import NO_EVIDENCE, SOURCES, TextEvidence, TextSource, put_behind, with_words
from imgsearch.search.word_matches import MOST_LIFTED, MOST_MATCHES
from imgsearch.storage import Store

REFRESHES = 3
"""Views tried if files vanish between the view and the catalog: an index run may commit in between."""

LONGEST_WAIT_S = 0.1
"""While one thread opens a new commit, the others wait this long and then use the previous one. Opening takes
milliseconds in a small library and a second in one of a million images, where a run may commit every second."""

FILTERS_KEPT = 8
"""Filters whose slots are kept: enough for the pages that a few people turn at the same time."""


class OpenIndex:
    """The library as of one commit: its view, its index, and what both need computed once. Safe between threads.
    ``opener`` says where the index comes from. ``live`` bool [slots] and ``shown_slots`` int64 [n], ascending, name the
    images that answer by themselves: all but hidden ones, which only filters can ask for."""

    def __init__(self, store: Store, opener: IndexOpener = open_at_home) -> None:
        self._store = store
        self.view = store.view()
        self.index, self._note = opener(store, self.view)
        self.live = self.view.live_mask()
        hidden = self.view.slots_of_images(store.hidden_images())
        self.live[hidden] = False
        self.shown_slots = np.setdiff1d(self.view.live_slots, hidden, True) if len(hidden) else self.view.live_slots
        self._filtered: LRUCache[Filters, Int64] = LRUCache(FILTERS_KEPT)
        self._lock = threading.Lock()

    @property
    def note(self) -> str | None:
        """A sentence for the person about the index: of the last search, or else of its opening."""
        return getattr(self.index, "note", None) or self._note

    @cached_property
    def backgrounds(self) -> KeptBackgrounds:
        """Of texts, over images spread evenly over the library."""
        return KeptBackgrounds(self.view.read(self.view.live_slots[evenly(self.view.count)]))

    def nearest(self, texts: Float32, count: int, allowed: Int64 | None = None) -> list[Nearest]:
        """The ``count`` best slots (fewer where fewer are allowed) for each of ``texts`` [Q, D]. A smaller
        ``count`` gives the beginning of the same answer. Q texts at once cost less than one by one, since the vectors
        are read once."""
        total = len(self.shown_slots if allowed is None else allowed)
        best = self.index.search(texts, min(count, total), self.live if allowed is None else allowed)
        backgrounds = self.backgrounds.of(texts)
        known = best.slots >= 0
        rows = zip(best.slots, best.scores, known, backgrounds, strict=True)
        return [Nearest(slots[real], scores[real], background) for slots, scores, real, background in rows]

    def alike(self, image: Float32, text: Float32 | None, count: int, allowed: Int64 | None = None) -> Nearest:
        """The ``count`` slots most like the tokens [T, D] of ``image``, by likeness, plus ITC with ``text`` [1, D] if
        there is one. The `POOL` nearest to the mean of its tokens (and the text) are compared token by token; behind
        them the order is the index's. Calibrations know no background for it."""
        vector = mean_vector(image)
        if text is not None:
            vector = mean_vector(np.concatenate([vector, text]))
        total = len(self.shown_slots if allowed is None else allowed)
        best = self.index.search(vector, min(max(count, POOL), total), self.live if allowed is None else allowed)
        slots, scores = best.slots[0][best.slots[0] >= 0], best.scores[0][best.slots[0] >= 0]
        tokens = self.view.read(slots[:POOL])
        alike = similarity(image, tokens)
        if text is not None:
            alike = alike + (tokens @ text[0]).max(axis=1)
        order = rank_order(alike, self.view.image_ids_of(slots[:POOL]))
        slots = np.concatenate([slots[:POOL][order], slots[POOL:]])
        scores = np.concatenate([alike[order], scores[POOL:]]).astype(np.float32)
        return Nearest(slots[:count], scores[:count], NO_BACKGROUND)

    def newest(self, count: int, allowed: Int64 | None = None) -> Nearest:
        """The slots of the last ``count`` images, the newest first. The order if nothing ranks them."""
        slots = self.shown_slots if allowed is None else allowed
        newest = slots[np.argsort(-self.view.image_ids_of(slots), kind="stable")][:count]
        return Nearest(newest, np.zeros(len(newest), np.float32), NO_BACKGROUND)

    def allowed_slots(self, request: RetrievalRequest) -> Int64 | None:
        """The slots that may answer, ascending; None if all that are shown may. The slots of the latest few filters are
        kept."""
        slots = self._fitting_slots(request.parsed.filters) if request.parsed.filters else None
        if not request.excluding:
            return slots
        own = self.view.slots_of_images(np.array(request.excluding, np.int64))
        return np.setdiff1d(self.shown_slots if slots is None else slots, own, assume_unique=True)

    def _fitting_slots(self, filters: Filters) -> Int64:
        with self._lock:
            known = self._filtered.get(filters)
        if known is None:
            known = self.view.slots_of_images(self._store.matching_images(filters))
            with self._lock:
                self._filtered[filters] = known
        return known


@dataclass(frozen=True, slots=True)
class _Lift:
    """``best`` with ``lifted`` slots more behind the first ones, and the evidence that lifted them."""

    best: Nearest
    evidence: TextEvidence = NO_EVIDENCE
    lifted: int = 0


SharedScan = Callable[[OpenIndex, Float32, int], Nearest]
"""``OpenIndex.nearest`` for one text [1, D], in a sweep with others that wait."""


class CandidateFinder:
    """Finds candidates in the library as of its last commit, which stays open between queries. Safe between threads."""

    def __init__(
        self,
        store: Store,
        scan: SharedScan | None = None,
        sources: Sequence[TextSource] = SOURCES,
        opener: IndexOpener = open_at_home,
    ) -> None:
        """``scan`` lets texts that wait at the same time share a sweep. Without it every text gets its own. The
        ``sources`` of texts are asked beside the vectors, in the index that ``opener`` opens."""
        self._store = store
        self._scan = scan
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
            allowed = opened.allowed_slots(request)
            total = len(opened.shown_slots if allowed is None else allowed)
            lift = self._lift(opened, request, self._best(opened, request, count, allowed), allowed)
            best, slots = lift.best, lift.best.slots
            found = self._resolve(view.image_ids_of(slots), best.scores, best.background)
            if len(found) == len(slots) or not view.changed() or attempt + 1 == REFRESHES:
                break
        agreeing = _agreements(opened, request, slots, found[: max(request.depth + lift.lifted, request.reach)])
        if lift.evidence:
            reasons = self._reasons(lift.evidence, request.parsed.description, found)
            found = with_words(found, reasons, lift.evidence.places, range(request.depth, request.depth + lift.lifted))
        return RetrievalResult(found, total > len(slots), view.generation, opened.note, agreeing, lift.lifted, total)

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

    def _best(self, opened: OpenIndex, request: RetrievalRequest, count: int, allowed: Int64 | None) -> Nearest:
        """The best allowed slots, by whatever the request holds to rank by."""
        if request.image is not None:
            return opened.alike(request.image, request.text, count, allowed)
        if request.text is None:
            return opened.newest(count, allowed)
        if self._scan is not None and allowed is None:
            return self._scan(opened, request.text, count)
        return opened.nearest(request.text, count, allowed)[0]

    def _lift(self, opened: OpenIndex, request: RetrievalRequest, best: Nearest, allowed: Int64 | None) -> _Lift:
        """Put images whose texts hold the description's words behind the first ``depth``: of each ranked source the
        first, and of the others the best by vectors."""
        evidence = self._evidence(request)
        if not evidence or request.text is None:
            return _Lift(best)
        view, first = opened.view, best.slots[: request.depth]
        slots = view.slots_of_images(evidence.image_ids)
        slots = np.intersect1d(slots, opened.shown_slots if allowed is None else allowed)
        if not len(slots):
            return _Lift(best)
        evidence = evidence.among(frozenset(view.image_ids_of(slots).tolist()))
        missed = np.setdiff1d(slots, first)
        if not len(missed):
            return _Lift(best, evidence)
        leading = np.intersect1d(view.slots_of_images(np.array(sorted(evidence.places), np.int64)), missed)
        others = np.setdiff1d(missed, leading)
        chosen = [
            opened.nearest(request.text, most, group)[0]
            for most, group in ((len(leading), leading), (MOST_LIFTED - len(leading), others))
            if len(group) and most > 0
        ]
        return _Lift(put_behind(best, request.depth, chosen), evidence, sum(len(part.slots) for part in chosen))

    def _evidence(self, request: RetrievalRequest) -> TextEvidence:
        """The images that the sources name for the description. 0.1 ms a source where it has no texts."""
        if not (request.worded and request.depth) or request.text is None:
            return NO_EVIDENCE
        asked = [(source, source.expression(request.parsed.description)) for source in self._sources]
        found = ((source, source.find(self._store, words, MOST_MATCHES)) for source, words in asked if words)
        return TextEvidence(tuple((source, tuple(map(int, ids))) for source, ids in found))

    def _reasons(self, evidence: TextEvidence, description: str, found: Sequence[Candidate]) -> dict[int, str]:
        """Image id -> which texts hold the words, for those of ``found`` that have such a text."""
        reasons: dict[int, list[str]] = {}
        for source, ids in evidence.found:
            inside = frozenset(ids)
            own = [one.image_id for one in found if one.image_id in inside]
            for number, text in source.read(self._store, own).items() if own else ():
                reasons.setdefault(number, []).append(source.tell(description, text))
        return {number: ", ".join(filter(None, told)) for number, told in reasons.items()}

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


def _agreements(
    opened: OpenIndex, request: RetrievalRequest, slots: Int64, found: list[Candidate]
) -> tuple[PartAgreement, ...]:
    """How each of ``found``, whose slots are among ``slots`` [m], agrees with the parts of the description."""
    if request.parts is None or request.vectors is None:
        return ()
    slot_of = dict(zip(opened.view.image_ids_of(slots).tolist(), slots.tolist(), strict=True))
    tokens = opened.view.read(np.array([slot_of[one.image_id] for one in found], np.int64))
    return tuple(agreements(request.parts, request.vectors, tokens, opened.backgrounds.of))
