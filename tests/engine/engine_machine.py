"""The machine behind test_engine_property.py: what is done to a library, and what it must answer.

Real files, segments, catalog, snapshots and compactions, through the real Searcher; only the model is made up. The
sizes are small, so that what a million pictures do in the large happens here with thirty. See `SnapshotIndex` for what
a pool may and may not leave out."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from arithmetic_model import PICTURES
from brute_force import FILTERS, Picture, Question, Undecided, answer, by_vectors, step
from driven_library import ROOTS, DrivenLibrary, Where
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from imgsearch.records import Hit, Results
from imgsearch.search.calibration import Calibration
from imgsearch.search.query.description import Query
from imgsearch.storage import latest_snapshot, verify

ALL = 1000  # more than there ever are
WORDS = ["red", "boat", "house", "at night", "two trees"]
RELATIVE = [
    f"{folder}{name}.png"
    for folder in ("", "alps/", "alps/north ridge/", "beach/")
    for name in ("dawn 1", "dusk 2", "dune 11", "Night 3")
]
EVERYWHERE = [(root, relative) for relative in RELATIVE for root in ROOTS]
PLACES = st.sampled_from(EVERYWHERE)
CALIBRATIONS = [None, Calibration(1.0, 0.0, 0.0, 0.2, 0.9), Calibration(0.5, 1.0, 0.3, -0.4, -0.3)]


@st.composite
def questions(draw: st.DrawFn, compared: bool) -> tuple[Question, int]:
    """(question, a number that picks the picture to compare with)."""
    words = " ".join(draw(st.lists(st.sampled_from(WORDS), max_size=2)))
    unwanted = draw(st.sampled_from([(), (), (), ("cat",), ("cat", "sea")]))
    chosen = draw(st.lists(st.sampled_from(FILTERS), max_size=3, unique=True))
    filters = tuple("-" * draw(st.integers(0, 3).map(lambda side: side == 0)) + one for one in chosen)
    kind = draw(st.sampled_from(["", "", "", "similar", "like"])) if compared else ""
    if not kind and not words and not unwanted and not filters:
        words = "red"
    named = (kind, 0) if kind else None
    return Question(words, unwanted, filters, named), draw(st.integers(0, PICTURES))


class Engine(RuleBasedStateMachine):
    """Rules change the library; `search` and the invariant ask it."""

    library: DrivenLibrary | None = None

    @initialize(
        dtype=st.sampled_from(["float16", "float32"]),
        candidates=st.sampled_from([5, 12, 1000]),
        calibration=st.sampled_from(CALIBRATIONS),
        kept=st.booleans(),
        start=st.integers(0, 24),
        away=st.integers(0, 8),
        built=st.booleans(),
    )
    def begin(
        self,
        dtype: str,
        candidates: int,
        calibration: Calibration | None,
        kept: bool,
        start: int,
        built: bool,
        away: int = 0,
    ) -> None:
        """``start`` pictures, of which the first ``away`` are deleted again, and perhaps a snapshot."""
        self.library = library = DrivenLibrary(dtype, candidates, calibration, kept)
        if start:
            library.put({place: number for number, place in enumerate(EVERYWHERE[:start])})
            library.delete(EVERYWHERE[: min(away, start - 1)])
            if built:
                library.build()

    def teardown(self) -> None:
        if self.library is not None:
            try:
                assert verify(self.library.store) == []
            finally:
                self.library.close()

    @rule(numbers=st.lists(st.integers(0, PICTURES - 1), min_size=1, max_size=16), data=st.data())
    def add(self, numbers: list[int], data: st.DataObject) -> None:
        """New files, of new pictures and known ones, at free places and over other files."""
        places = data.draw(st.lists(PLACES, min_size=len(numbers), max_size=len(numbers), unique=True))
        self.library.put(dict(zip(places, numbers, strict=True)))

    @precondition(lambda self: self.library.gone)
    @rule(places=st.lists(PLACES, min_size=1, max_size=8, unique=True))
    def restore(self, places: list[Where]) -> None:
        """Deleted pictures come back; the library has their vectors still."""
        self.library.put(dict(zip(places, sorted(self.library.gone), strict=False)))

    @precondition(lambda self: self.library.files)
    @rule(data=st.data(), place=PLACES, stays=st.booleans())
    def move_or_copy(self, data: st.DataObject, place: Where, stays: bool) -> None:
        before = data.draw(st.sampled_from(sorted(self.library.files)))
        if before != place:
            self.library.move_or_copy(before, place, stays)

    @precondition(lambda self: self.library.files)
    @rule(data=st.data(), whole=st.booleans())
    def delete(self, data: st.DataObject, whole: bool) -> None:
        """Some files; or every file of some pictures."""
        files = self.library.files
        chosen = data.draw(st.lists(st.sampled_from(sorted(files)), min_size=1, max_size=6, unique=True))
        if whole:
            numbers = {files[place] for place in chosen}
            chosen = [place for place, number in files.items() if number in numbers]
        self.library.delete(chosen)

    @rule(root=st.sampled_from(ROOTS))
    def unplug_or_plug(self, root: str) -> None:
        self.library.unplug_or_plug(root)

    @precondition(lambda self: self.library.files)
    @rule()
    def build(self) -> None:
        self.library.build()

    @rule()
    def merge(self) -> None:
        self.library.merge()

    @rule(drawn=questions(compared=False), depth=st.integers(-1, 20))
    def reopen(self, drawn: tuple[Question, int], depth: int) -> None:
        before = shown(self.ask(drawn[0], ALL, depth, True))
        self.library.reopen()
        assert shown(self.ask(drawn[0], ALL, depth, True)) == before

    @rule(
        data=st.data(),
        depth=st.sampled_from([-1, 0, 1, 3, 8, 50]),
        k=st.integers(1, 50),
        size=st.integers(1, 12),
        everything=st.booleans(),
    )
    def search(self, data: st.DataObject, depth: int, k: int, size: int, everything: bool) -> None:
        pictures = self.library.pictures()
        question, pick = data.draw(questions(compared=bool(pictures) and self.library.calibration is None))
        if question.compared:
            chosen = sorted(pictures)[pick % len(pictures)]
            question = Question(question.words, question.unwanted, question.filters, (question.compared[0], chosen))
        first = self._first_order(question, pictures)
        whole = self.ask(question, ALL, depth, everything)
        self._compare(whole, question, first, pictures, depth, everything)
        assert whole.next_cursor is None
        assert shown(self.ask(question, ALL, depth, everything)) == shown(whole)
        for few in (5, k, 50):
            part = self.ask(question, few, depth, everything)
            assert part.hits == whole.hits[:few]
            assert (part.next_cursor is not None) == (len(whole.hits) > few)
        assert self._pages(question, size, depth, everything) == list(whole.hits)

    @invariant()
    def answers_a_plain_question_at_all_times(self) -> None:
        if self.library is not None:
            pictures, question = self.library.pictures(), Question("red boat")
            first = self._first_order(question, pictures)
            self._compare(self.ask(question, ALL, 4, True), question, first, pictures, 4, True)

    def ask(self, question: Question, k: int, depth: int, everything: bool, cursor: str | None = None) -> Results:
        query = Query(question.text, k=k, rerank=depth, everything=everything, cursor=cursor)
        return self.library.searcher.search(query)

    def _pages(self, question: Question, size: int, depth: int, everything: bool) -> list[Hit]:
        found, cursor = [], None
        for _ in range(ALL):
            page = self.ask(question, size, depth, everything, cursor)
            assert len(page.hits) <= size
            assert not any("changed" in note for note in page.notes)
            found += page.hits
            cursor = page.next_cursor
            if cursor is None:
                break
        return found

    def _first_order(self, question: Question, pictures: dict[int, Picture]) -> dict[int, float]:
        """The order by vectors: brute force's, or that of a pool, checked for what a pool has to hold. A fresh
        searcher without a calibration is asked, which is also how the open one is compared with a fresh one."""
        best = by_vectors(question, pictures)
        with self.library.fresh_searcher() as fresh:
            found = fresh.search(Query(question.text, k=ALL, rerank=0))
        order = [hit.image_id for hit in found.hits]
        assert sorted(order) == sorted(best)  # each allowed picture once, no deleted and no forbidden one
        info = latest_snapshot(self.library.store)
        if info is None or not question.words or question.compared or len(best) <= self.library.candidates:
            assert order == list(best)
        else:
            records = self.library.store.images(best)
            check_pool(
                order, best, {key for key in best if records[key].slot >= info.stop_slot}, self.library.candidates
            )
        return {key: best[key] for key in order}

    def _compare(
        self,
        whole: Results,
        question: Question,
        first: dict[int, float],
        pictures: dict[int, Picture],
        depth: int,
        everything: bool,
    ) -> None:
        assert whole.complete and not any("snapshot" in note for note in whole.notes)
        try:
            expected = answer(question, first, pictures, 16 if depth < 0 else depth, self.library.calibration)
        except Undecided:
            return
        ends = self.library.calibration is not None and not everything and question.words and depth
        hits = [hit for hit in expected if hit.confident] if ends else expected
        assert [hit.image_id for hit in whole.hits] == [hit.image_id for hit in hits]
        for place, (hit, wanted) in enumerate(zip(whole.hits, hits, strict=True), start=1):
            assert (hit.rank, hit.path, hit.itm_logit, hit.confident) == (
                place,
                wanted.path,
                wanted.logit,
                wanted.confident,
            )
            assert hit.path.read_bytes() == pictures[hit.image_id].content.data
            assert hit.itc == pytest.approx(wanted.itc, abs=1e-6)
            assert hit.itm_probability == (wanted.probability and pytest.approx(wanted.probability))


def check_pool(order: list[int], best: dict[int, float], tail: set[int], candidates: int) -> None:
    """``order`` is a pool in exact order and behind it the rest in exact order. The pool holds the whole tail and as
    many of the others as there are ``candidates``: with so few pictures the product quantiser has a centroid for each,
    so these are the best of them."""
    keys = [(-step(best[key]), key) for key in order]
    falls = [place for place, (one, other) in enumerate(pairwise(keys), start=1) if one > other]
    if not falls:
        assert order == list(best)
        return
    assert len(falls) == 1
    pool, rest = order[: falls[0]], order[falls[0] :]
    assert tail <= set(pool)
    assert len(pool) == len(tail) + candidates
    assert max(best[key] for key in rest) <= min(best[key] for key in pool if key not in tail) + 1e-4


def shown(results: Results) -> tuple[Any, ...]:
    return results.hits, results.reranked, results.notes, results.next_cursor is None
