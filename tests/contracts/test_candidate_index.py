"""One suite for every CandidateIndex. A new implementation joins by one line in IMPLEMENTATIONS."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgsearch.index import CandidateIndex, ExactIndex, SnapshotIndex, TokenRows
from imgsearch.index.construction import build_first_stage
from imgsearch.index.first_stage import FaissFirstStage
from imgsearch.records import Candidates

T, D = 4, 16


class LoopIndex:
    """The hand-written fake: plain Python sums, one number at a time. Other tests may use it in an index's
    place."""

    def __init__(self, vectors: np.ndarray, tie_keys: np.ndarray | None = None) -> None:
        self.vectors = vectors
        self.tie_keys = list(range(len(vectors))) if tie_keys is None else [int(key) for key in tie_keys]

    def search(self, texts: np.ndarray, k: int, allowed: np.ndarray | None = None) -> Candidates:
        if texts.ndim != 2 or texts.shape[1] != self.vectors.shape[2] or k < 0:
            raise ValueError("wrong shape or k")
        open_slots = self._open_slots(allowed)
        slots, scores = np.full((len(texts), k), -1, np.int64), np.full((len(texts), k), -np.inf, np.float32)
        for q, text in enumerate(texts.tolist()):
            scored = []
            for slot in open_slots:
                tokens = self.vectors[slot].astype(np.float64).tolist()
                score = max(math.fsum(a * b for a, b in zip(token, text, strict=True)) for token in tokens)
                scored.append((-round(score * 1e5), self.tie_keys[slot], slot, score))
            for place, (_, _, slot, score) in enumerate(sorted(scored)[:k]):
                slots[q, place], scores[q, place] = slot, score
        return Candidates(slots, scores)

    def _open_slots(self, allowed: np.ndarray | None) -> list[int]:
        total = len(self.vectors)
        if allowed is None:
            return list(range(total))
        if allowed.dtype == np.bool_:
            if allowed.shape != (total,):
                raise ValueError("wrong mask")
            return [slot for slot in range(total) if allowed[slot]]
        chosen = sorted({int(slot) for slot in allowed})
        if any(slot < 0 or slot >= total for slot in chosen):
            raise ValueError("no such slot")
        return chosen


def exact(vectors: np.ndarray, tie_keys: np.ndarray | None = None) -> CandidateIndex:
    return ExactIndex(TokenRows(vectors), tie_keys)


def eight_bits(vectors: np.ndarray, tie_keys: np.ndarray | None = None) -> CandidateIndex:
    """Numbers of the stored dtype pass through int8 only where that loses nothing; else as they are."""
    steps = np.rint(vectors.astype(np.float32) * 4)
    if len(vectors) and np.abs(steps).max() <= 127 and (steps / 4 == vectors).all():
        return ExactIndex(TokenRows(steps.astype(np.int8), scale=0.25), tie_keys)
    return ExactIndex(TokenRows(vectors), tie_keys)


def snapshot(vectors: np.ndarray, tie_keys: np.ndarray | None = None) -> CandidateIndex:
    """Two thirds in the snapshot, the rest its tail; no filter is too narrow for the first stage. All candidates fit
    into the pool here, so nothing is relaxed: what a small pool may miss, tests/index/test_snapshot_index.py bounds."""
    rows = TokenRows(vectors)
    covered = np.arange(2 * len(vectors) // 3, dtype=np.int64)
    if not len(covered):
        return ExactIndex(rows, tie_keys)
    with tempfile.NamedTemporaryFile(suffix=".faiss") as file:
        build_first_stage(rows, covered, file.write)
        file.flush()
        first_stage = FaissFirstStage(Path(file.name), len(covered))  # the map outlives the name
    index = SnapshotIndex(rows, first_stage, tie_keys, candidates=500)
    index._exact_limit = 0
    return index


def qdrant(vectors: np.ndarray, tie_keys: np.ndarray | None = None) -> CandidateIndex:
    """Two thirds in a collection of the client's local mode, with what a filter sends; the rest its tail. Local mode
    ignores data types: what these lose, tests/index/qdrant/test_engine.py bounds."""
    client = pytest.importorskip("qdrant_client").QdrantClient(":memory:")
    from imgsearch.index.qdrant.client import ServerPoints
    from imgsearch.index.qdrant.first_stage import QdrantFirstStage
    from imgsearch.index.qdrant.push import send_images

    rows, covered = TokenRows(vectors), 2 * len(vectors) // 3
    if not covered:
        return ExactIndex(rows, tie_keys)
    points = ServerPoints(client, "c")
    points.create(vectors.shape[2], "float16")
    send_images(rows, np.arange(covered, dtype=np.int64), points)
    index = SnapshotIndex(rows, QdrantFirstStage(points, covered), tie_keys, candidates=500)
    index._exact_limit = 0
    return index


IMPLEMENTATIONS: list[Callable[..., CandidateIndex]] = [exact, LoopIndex, eight_bits, snapshot, qdrant]
implementations = pytest.mark.parametrize("build", IMPLEMENTATIONS, ids=["exact", "loop", "int8", "snapshot", "qdrant"])


def unit(rng: np.random.Generator, *shape: int, dtype: type = np.float16) -> np.ndarray:
    values = rng.standard_normal(shape).astype(np.float32)
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(dtype)


@implementations
def test_search_finds_the_image_of_the_best_row_when_its_mean_is_worse(
    build: Callable[..., CandidateIndex],
) -> None:
    text = np.eye(D, dtype=np.float32)[:1]
    one_peak = np.zeros((T, D), np.float16)
    one_peak[2, 0] = 1.0
    lukewarm = np.full((T, D), 0.25, np.float16)
    found = build(np.stack([lukewarm, one_peak])).search(text, 2)
    assert found.slots.tolist() == [[1, 0]]
    assert found.scores.tolist() == [[1.0, 0.25]]
    assert found.slots.dtype == np.int64
    assert found.scores.dtype == np.float32


@implementations
def test_search_pads_when_k_exceeds_the_images(build: Callable[..., CandidateIndex]) -> None:
    rng = np.random.default_rng(1)
    found = build(unit(rng, 3, T, D)).search(unit(rng, 2, D, dtype=np.float32), 5)
    assert sorted(found.slots[0, :3].tolist()) == [0, 1, 2]
    assert found.slots[:, 3:].tolist() == [[-1, -1], [-1, -1]]
    assert np.isneginf(found.scores[:, 3:]).all()


@implementations
@pytest.mark.parametrize(("images", "queries", "k"), [(0, 2, 3), (4, 0, 3), (4, 2, 0)])
def test_search_answers_with_the_asked_shape_when_something_is_empty(
    build: Callable[..., CandidateIndex], images: int, queries: int, k: int
) -> None:
    rng = np.random.default_rng(2)
    found = build(unit(rng, images, T, D)).search(unit(rng, queries, D, dtype=np.float32), k)
    assert found.slots.shape == found.scores.shape == (queries, k)
    if images == 0:
        assert (found.slots == -1).all()


@implementations
def test_search_orders_duplicates_by_tie_key(build: Callable[..., CandidateIndex]) -> None:
    rng = np.random.default_rng(3)
    vectors = np.repeat(unit(rng, 1, T, D), 40, axis=0)
    keys = rng.permutation(40).astype(np.int64) + 1000
    found = build(vectors, keys).search(unit(rng, 1, D, dtype=np.float32), 12)
    assert keys[found.slots[0]].tolist() == list(range(1000, 1012))


@implementations
def test_search_returns_no_forbidden_slot_when_the_best_are_forbidden(
    build: Callable[..., CandidateIndex],
) -> None:
    rng = np.random.default_rng(4)
    vectors, texts = unit(rng, 60, T, D), unit(rng, 3, D, dtype=np.float32)
    best = build(vectors).search(texts, 20).slots
    mask = np.ones(60, np.bool_)
    mask[best.ravel()] = False
    for allowed in (mask, np.flatnonzero(mask)):
        found = build(vectors).search(texts, 60, allowed).slots
        assert not set(found[found >= 0].tolist()) & set(best.ravel().tolist())
        assert (np.sort(found, axis=1)[:, -mask.sum() :] == np.flatnonzero(mask)).all()
    nothing = build(vectors).search(texts, 5, np.zeros(60, np.bool_))
    assert (nothing.slots == -1).all()
    only = build(vectors).search(texts, 5, np.array([7], np.int64))
    assert only.slots.tolist() == [[7, -1, -1, -1, -1]] * 3


@implementations
def test_search_refuses_wrong_shapes(build: Callable[..., CandidateIndex]) -> None:
    rng = np.random.default_rng(5)
    index, text = build(unit(rng, 5, T, D)), unit(rng, 1, D, dtype=np.float32)
    for arguments in (
        (text[0], 3),
        (text[:, :-1], 3),
        (text, -1),
        (text, 3, np.ones(4, np.bool_)),
        (text, 3, np.array([5], np.int64)),
        (text, 3, np.array([-1], np.int64)),
    ):
        with pytest.raises(ValueError):
            index.search(*arguments)


@implementations
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_search_equals_the_definition_and_is_a_prefix(
    build: Callable[..., CandidateIndex], data: st.DataObject
) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    images, queries = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 4))
    distinct = data.draw(st.integers(1, images))
    dtype = data.draw(st.sampled_from([np.float16, np.float32]))
    vectors = unit(rng, distinct, T, D, dtype=dtype)[rng.integers(0, distinct, images)]
    keys = rng.permutation(images).astype(np.int64)
    texts = unit(rng, queries, D, dtype=np.float32)
    mask = rng.random(images) < data.draw(st.sampled_from([0.02, 0.5, 1.0]))
    k = data.draw(st.integers(1, 2 * images))
    index = build(vectors, keys)
    found = index.search(texts, k, mask)

    scores = np.einsum("ntd,qd->qnt", vectors.astype(np.float64), texts.astype(np.float64)).max(2)
    for q in range(queries):
        slots = [slot for slot in range(images) if mask[slot]]
        slots.sort(key=lambda slot: (-round(scores[q, slot] * 1e5), keys[slot]))
        got = [slot for slot in found.slots[q].tolist() if slot >= 0]
        assert got == slots[:k]
        np.testing.assert_allclose(found.scores[q, : len(got)], scores[q, got], atol=1e-6)
        alone = index.search(texts[q : q + 1], max(1, k // 3), mask)
        assert alone.slots[0].tolist() == found.slots[q, : max(1, k // 3)].tolist()
        assert alone.scores[0].tolist() == found.scores[q, : max(1, k // 3)].tolist()
