"""A re-rank within a time, where a picture takes seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from imgsearch.cli.verbs.search import _answer
from imgsearch.model.runtime_profile import RuntimeProfile
from imgsearch.records import Hit, Results
from imgsearch.search.features.stored import ImageSource
from imgsearch.search.inference.direct import match_candidates
from imgsearch.search.query.parser import ParsedQuery
from imgsearch.search.rerank import Reranked
from imgsearch.search.timing import deadline_of


class Slow:
    """The margin is the picture's number."""

    profile = RuntimeProfile("numpy", "cpu", "float32", 500.0, 20.0, 1, gflop_per_second=250.0)  # 2 s a picture

    def match_both(self, texts: Any, features: Any) -> Any:
        return np.array([[0.0, one[0, 0]] for one in features], np.float32)


@dataclass
class Kept:
    """Features of some pictures lie on disk; each that does not is counted when it is asked for."""

    names: set[str]
    encoded: list[str] = field(default_factory=list)

    def is_kept(self, source: ImageSource) -> bool:
        return source.content_hash in self.names

    def features(self, sources: Any) -> Any:
        self.encoded += [source.content_hash for source in sources if source.content_hash not in self.names]
        return [np.full((2, 3), float(source.content_hash), np.float32) for source in sources], []


def matched(kept: Kept, seconds: float | None, count: int = 6) -> tuple[list[float | None], list[str], bool]:
    sources = [ImageSource([], str(number)) for number in range(count)]
    deadline = None if seconds is None else time.perf_counter() + seconds
    matches, notes, complete = match_candidates(Slow(), ParsedQuery("a cat"), sources, kept, deadline)  # type: ignore
    return [None if match is None else match.logit for match in matches], notes, complete


def test_kept_ones_come_first_and_the_rest_as_time_allows() -> None:
    kept = Kept({"2", "4"})
    found, notes, complete = matched(kept, 3.0)
    assert found == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0] and complete and not notes  # nothing here takes the 2 s expected
    found, notes, complete = matched(Kept({"2", "4"}), 1.0)
    assert found == [None, None, 2.0, None, 4.0, None] and not complete
    assert notes == [
        "4 candidates would have to be decoded and encoded again, which takes about 2.0 s each here; index --features "
        "all keeps what that gives"
    ]


def test_no_time_matches_one_that_is_kept_or_none() -> None:
    assert matched(Kept({"3", "5"}), -1.0)[0] == [None, None, None, 3.0, None, None]
    kept = Kept(set())
    assert matched(kept, -1.0)[0] == [] and kept.encoded == []


def test_without_a_limit_all_are_matched() -> None:
    found, notes, complete = matched(Kept({"2"}), None)
    assert found == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0] and complete and not notes


def test_the_number_of_matches_is_that_of_the_read_ones() -> None:
    assert Reranked([None, None], []).count == 0


@pytest.mark.parametrize(("asked", "usual", "due"), [(500.0, None, 0.5), (500.0, 3000.0, 0.5), (None, None, None)])
def test_a_search_may_ask_for_its_own_time(asked: float | None, usual: float | None, due: float | None) -> None:
    assert deadline_of(asked, usual, 0.0) == due


def test_the_usual_time_counts_from_the_rerank() -> None:
    now = time.perf_counter()
    assert 3.0 <= deadline_of(None, 3000.0, -100.0) - now < 4.0  # type: ignore[operator]


class Sign:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def above(self, lines: Any) -> None:
        self.lines += lines

    def __call__(self, text: str) -> None:
        self.lines.append(text)


@pytest.mark.parametrize("costly", [True, False])
def test_a_person_sees_the_answer_by_vectors_first(costly: bool, tmp_path: Any) -> None:
    hit = Hit(1, 7, tmp_path / "boat.jpg", 0.4)
    answers = [Results("a boat", (hit,)), Results("a boat", (hit,), reranked=1)]
    model = SimpleNamespace(profile=SimpleNamespace(one_by_one=costly, rerank_ms=3000))
    searcher = SimpleNamespace(model=model, stream=lambda *_, **__: iter(answers), search=lambda *_, **__: answers[1])
    sign = Sign()
    assert _answer(searcher, None, None, sign) is answers[1]  # type: ignore[arg-type]
    if not costly:
        assert not sign.lines
        return
    assert sign.lines[0] == "by vectors, before the re-rank:" and "boat.jpg" in "".join(sign.lines)
    assert sign.lines[-1] == "re-ranking, 3 s at most (3 of 3)"
