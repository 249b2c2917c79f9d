"""Searches over a collection: equal to the exact ones, whatever happens to the server."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qdrant_shelf import Shelf, Troubled, away, local_points, texts

from imgsearch.index import ExactIndex, open_at_home
from imgsearch.index.qdrant import PushStopped, client, first_stage, ownership, push_library, remote_index
from imgsearch.index.qdrant.first_stage import QdrantFirstStage
from imgsearch.index.qdrant.remote_index import AWAY_S, Gate, RemoteIndex
from imgsearch.storage import compact


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def small_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is asked even here: 100 candidates, and no filter narrow enough to be answered by brute force."""
    real = remote_index.SnapshotIndex

    def index(*arguments: Any) -> Any:
        made = real(*arguments, candidates=100, exact_more=0)
        made._exact_limit = 0
        return made

    monkeypatch.setattr(remote_index, "SnapshotIndex", index)


def opened(shelf: Shelf, points: Any, gate: Gate | None = None) -> RemoteIndex:
    view = shelf.store.view()
    return RemoteIndex(shelf.store, view, lambda: points, gate or Gate(), lambda: open_at_home(shelf.store, view))


def truth(shelf: Shelf, k: int = 10, allowed: np.ndarray | None = None) -> list[list[int]]:
    view = shelf.store.view()
    mask = view.live_mask() if allowed is None else view.live_mask() & allowed
    return ExactIndex(view, view.tie_keys()).search(texts(), k, mask).slots.tolist()


def test_answers_are_the_exact_ones_with_newer_and_deleted_images(shelf: Shelf, points: Any) -> None:
    push_library(shelf.store, points, "float16")
    shelf.add(40)  # not sent: the tail
    shelf.remove(range(5, 60))
    index = opened(shelf, points)
    found = index.search(texts(), 10, shelf.store.view().live_mask())
    assert found.slots.tolist() == truth(shelf) and index.note is None
    compact(shelf.store)
    push_library(shelf.store, points, "float16")
    index = opened(shelf, points)
    assert index.search(texts(), 10, shelf.store.view().live_mask()).slots.tolist() == truth(shelf)


def test_deleted_image_that_comes_back_is_found_at_once(shelf: Shelf, points: Any) -> None:
    record = next(one for one in shelf.store.iter_images() if one.slot == 7)
    shelf.remove(range(7, 8))
    push_library(shelf.store, points, "float16")
    shelf.restore(7, record.facts.content_hash)
    index, view = opened(shelf, points), shelf.store.view()
    assert index.search(view.read(np.array([7]))[0, :1], 1, view.live_mask()).slots.tolist() == [[7]]


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("most_ids", [50_000, 4])
def test_filter_is_sent_or_applied_here_with_one_answer(
    shelf: Shelf, points: Any, share: float, most_ids: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_stage, "MOST_IDS", most_ids)
    push_library(shelf.store, points, "float16")
    allowed = np.random.default_rng(2).random(300) < share
    found = opened(shelf, points).search(texts(), 10, allowed)
    assert found.slots.tolist() == truth(shelf, 10, allowed)


def test_filter_against_the_text_is_asked_for_more(shelf: Shelf, points: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The images that the text likes best are all forbidden."""
    monkeypatch.setattr(first_stage, "MOST_IDS", 4)
    push_library(shelf.store, points, "float16")
    order = np.array(truth(shelf, 300)[0])
    allowed = np.zeros(300, np.bool_)
    allowed[order[150:]] = True
    stage = QdrantFirstStage(points, 300)
    found = stage.candidates(texts()[0], 20, allowed)
    assert len(found) == 20 and set(found.tolist()) <= set(order[150:190].tolist()) and stage.asked > 1


@pytest.mark.parametrize("runs", [[(40, 90), (200, 230)], [(0, 7), (8, 9), (295, 300)], [(3, 298)]])
def test_wide_filter_is_told_by_blocks_with_one_answer(
    shelf: Shelf, points: Any, runs: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a filter that is too wide for ids the server hears which blocks of slots hold what it lets through; where that
    is nearly all, or an older program made the collection, it hears nothing."""
    for module in (client, ownership):
        monkeypatch.setattr(module, "BLOCK_BITS", 3)
    monkeypatch.setattr(first_stage, "MOST_IDS", 4)
    push_library(shelf.store, points, "float16")
    heard: list[Any] = []
    nearest = type(points).nearest
    monkeypatch.setattr(type(points), "nearest", lambda self, *more: heard.append(more[4]) or nearest(self, *more))
    allowed = np.zeros(300, np.bool_)
    for first, stop in runs:
        allowed[first:stop] = np.random.default_rng(5).random(stop - first) < 0.8
    best = np.array([texts()[0] @ rows.T for rows in shelf.store.view().read(np.arange(300))]).max(axis=1)
    best[~allowed] = -2.0
    for bits in (3, 0):
        found = QdrantFirstStage(points, 300, bits).candidates(texts()[0], 9, allowed)
        assert set(found.tolist()) == set(np.argsort(-best)[: min(9, allowed.sum())].tolist())
    blocks = sorted({slot // 8 for slot in np.flatnonzero(allowed).tolist()})
    assert [None if each is None else each.tolist() for each in heard if each is not None][:1] == (
        [blocks] if 8 * len(blocks) <= 0.4 * 300 else []
    )
    assert heard[-1] is None


def test_marker_is_no_answer(shelf: Shelf, points: Any) -> None:
    push_library(shelf.store, points, "float16")
    first = np.zeros((1, 16), np.float32)
    first[0, 0] = 1.0  # the marker's own vector
    found = QdrantFirstStage(points, 300).candidates(first[0], 300, None)
    assert sorted(found.tolist()) == list(range(300))


def test_search_goes_on_at_home_while_the_server_is_away(shelf: Shelf, points: Any) -> None:
    push_library(shelf.store, points, "float16")
    clock, asked = Clock(), list[str]()
    troubled = Troubled(points, lambda method: None)
    gate = Gate(clock)
    index = opened(shelf, troubled, gate)
    index.search(texts(), 10)
    troubled.trouble = away
    assert index.search(texts(), 10).slots.tolist() == truth(shelf)
    assert index.note is not None and "answered at home: no answer to" in index.note
    troubled.trouble = asked.append
    index.search(texts(), 10)
    opened(shelf, troubled, gate).search(texts(), 10)  # the next commit's index remembers it too
    assert asked == []  # not asked again so soon
    clock.now += AWAY_S + 1
    index.search(texts(), 10)
    assert "nearest" in asked and index.note is None


def test_search_says_that_nothing_was_sent_yet(shelf: Shelf, points: Any) -> None:
    index = opened(shelf, points)
    assert index.search(texts(), 10).slots.tolist() == truth(shelf)
    assert index.note is not None and "imgsearch build --qdrant" in index.note


def test_unfinished_collection_is_not_asked(shelf: Shelf, points: Any) -> None:
    asked = iter([False, True])
    with pytest.raises(PushStopped):
        push_library(shelf.store, points, "float16", stop=lambda: next(asked))
    index = opened(shelf, points)
    assert index.search(texts(), 10).slots.tolist() == truth(shelf)
    assert index.note is not None and "not complete" in index.note


def test_collection_that_is_sent_anew_during_a_search_is_not_believed(shelf: Shelf, points: Any) -> None:
    push_library(shelf.store, points, "float16")
    index = opened(shelf, points)
    index.search(texts(), 10)
    points.drop()
    asked = iter([False, True])
    with pytest.raises(PushStopped):
        push_library(shelf.store, points, "float16", stop=lambda: next(asked))
    assert index.search(texts(), 10).slots.tolist() == truth(shelf)
    assert index.note is not None and "not complete" in index.note


def test_longer_collection_is_used_by_an_open_index(shelf: Shelf, points: Any) -> None:
    push_library(shelf.store, points, "float16")
    shelf.add(30)
    index = opened(shelf, points)
    index.search(texts(), 10)
    push_library(shelf.store, points, "float16")
    assert index.search(texts(), 10).slots.tolist() == truth(shelf)
    assert index._served is not None and index._served.stage.stop == 330


def test_collection_of_another_library_answers_nothing(shelf: Shelf) -> None:
    points = local_points()
    push_library(shelf.store, points, "float16")
    payload = {"imgsearch": points.payload((1 << 62) + 1)["imgsearch"].replace('"library": "', '"library": "x')}
    points.upsert(np.array([(1 << 62) + 1]), [np.ones((1, 16), np.float32)], payload)
    index = opened(shelf, points)
    assert index.search(texts(), 10).slots.tolist() == truth(shelf)
    assert index.note is not None and "belongs to another library" in index.note
