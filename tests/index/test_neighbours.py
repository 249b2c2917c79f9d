"""Nearest neighbours against a plain sort of all inner products."""

from __future__ import annotations

import numpy as np
import pytest

from imgsearch.index import neighbours
from imgsearch.index.neighbours import Neighbours


def unit(seed, count, dims=24):
    rows = np.random.default_rng(seed).normal(size=(count, dims)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(("count", "asked", "k"), [(300, 40, 5), (7, 3, 7), (5, 2, 9), (1, 1, 1)])
def test_neighbours_are_those_of_a_plain_sort(count, asked, k):
    base, queries = unit(1, count), unit(2, asked)
    rows, scores = Neighbours(base, asked).nearest(queries, k)
    products = queries.astype(np.float64) @ base.T.astype(np.float64)
    for at in range(asked):
        best = sorted(range(count), key=lambda row, at=at: -products[at, row])[:k]
        assert rows[at, : len(best)].tolist() == best
        assert scores[at, : len(best)] == pytest.approx(products[at, best], abs=1e-5)
        assert (rows[at, len(best) :] == -1).all() and np.isneginf(scores[at, len(best) :]).all()


def test_neighbours_do_not_depend_on_the_size_of_a_block(monkeypatch):
    base, queries = unit(3, 200), unit(4, 50)
    whole = Neighbours(base, 50).nearest(queries, 6)
    monkeypatch.setattr(neighbours, "_BLOCK", 700)
    parts = Neighbours(base, 50).nearest(queries, 6)
    assert np.array_equal(whole[0], parts[0])


def test_an_empty_base_has_no_neighbours():
    rows, scores = Neighbours(np.empty((0, 4), np.float32), 2).nearest(unit(5, 2, 4), 3)
    assert (rows == -1).all() and np.isneginf(scores).all()


def test_inverted_lists_find_what_is_near(monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(neighbours, "EXACT_PRODUCTS", 0)
    base = unit(6, 3000)
    noise = 0.05 * unit(7, 200)
    queries = base[:200] + noise
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    rows, scores = Neighbours(base, 200).nearest(queries.astype(np.float32), 3)
    assert (rows[:, 0] == np.arange(200)).all()
    assert (scores[:, 0] > 0.99).all() and (np.diff(scores, axis=1) <= 0).all()
