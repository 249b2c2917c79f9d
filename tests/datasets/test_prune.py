"""Semantic pruning against loops over single pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgsearch.datasets import prune as module
from imgsearch.datasets.prune import cluster, mean_directions, prune, prune_rows
from imgsearch.dedup.reports.tables import PRUNED, write_table
from imgsearch.errors import UsageError


@dataclass
class Shown:
    """As much of a view as pruning reads: vectors [N, T, D] in slots that have gaps, and ids in no order."""

    vectors: np.ndarray
    image_ids: np.ndarray

    @property
    def count(self) -> int:
        return len(self.vectors)

    @property
    def dims(self) -> int:
        return int(self.vectors.shape[2])

    @property
    def live_slots(self) -> np.ndarray:
        return np.arange(self.count) * 3 + 1

    def read(self, slots: np.ndarray) -> np.ndarray:
        return self.vectors[(slots - 1) // 3]


def made(count: int, seed: int, dims: int = 6, kinds: int = 5) -> Shown:
    """Pictures in ``kinds`` heaps, some of them twice."""
    rng = np.random.default_rng(seed)
    heaps = rng.normal(size=(kinds, dims))
    vectors = heaps[rng.integers(kinds, size=count)][:, None, :] + rng.normal(size=(count, 3, dims)) * 0.4
    vectors[count // 2 : count // 2 + count // 8] = vectors[: count // 8]
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    return Shown(vectors.astype(np.float32), rng.permutation(10 * count)[:count].astype(np.int64) + 1)


def by_loops(view: Shown, keep: int, labels: np.ndarray, cosines: np.ndarray) -> tuple[set[int], dict[int, int]]:
    """SemDeDup as its paper has it, one picture after the other; ids that stay, and the nearest of those that go."""
    unit = [vector.mean(axis=0) / np.linalg.norm(vector.mean(axis=0)) for vector in view.vectors.astype(np.float64)]
    ids = view.image_ids.tolist()
    told = {}
    for label in set(labels.tolist()):
        inside = [row for row in range(len(ids)) if labels[row] == label]
        inside.sort(key=lambda row: (round(float(cosines[row]), 5), ids[row]))
        for at, row in enumerate(inside):
            before = [float(unit[row] @ unit[other]) for other in inside[:at]]
            told[row] = round(max(before), 5) if before else -np.inf
    order = sorted(told, key=lambda row: (told[row], -ids[row]))
    kept = {ids[row] for row in order[:keep]}
    nearest = {}
    for row in order[keep:]:
        inside = [other for other in range(len(ids)) if labels[other] == labels[row] and ids[other] in kept]
        among = inside or [other for other in range(len(ids)) if ids[other] in kept]
        nearest[ids[row]] = ids[max(among, key=lambda other: (round(float(unit[row] @ unit[other]), 5), -ids[other]))]
    return kept, nearest


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 90), st.integers(0, 10_000), st.floats(0.02, 1), st.sampled_from([7, 40, 1000]))
def test_prune_equals_loops_over_single_pictures(count: int, seed: int, fraction: float, per_cluster: int) -> None:
    view = made(count, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PER_CLUSTER", per_cluster)
        patch.setattr(module, "_BLOCK", 16)
        found = prune(view, fraction, seed=3)  # type: ignore[arg-type]
    keep = max(1, int(fraction * count + 0.5))
    assert len(found.kept) == keep and len(found.dropped) == len(found.closest) == count - keep
    if keep < count:
        labels, cosines = cluster(mean_directions(view), -(-count // per_cluster), 3)  # type: ignore[arg-type]
        kept, nearest = by_loops(view, keep, labels, cosines)
        assert set(found.kept.tolist()) == kept
        assert dict(zip(found.dropped.tolist(), found.closest.tolist(), strict=True)) == nearest
    assert np.array_equal(np.sort(found.kept), found.kept) and np.array_equal(np.sort(found.dropped), found.dropped)
    assert sorted([*found.kept.tolist(), *found.dropped.tolist()]) == sorted(view.image_ids.tolist())


def test_prune_drops_one_of_each_two_that_are_equal() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(60, 2, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    view = Shown(np.concatenate([vectors, vectors]), np.arange(1, 121))
    found = prune(view, 0.5)  # type: ignore[arg-type]
    assert found.kept.tolist() == list(range(1, 61))
    assert (found.closest == found.dropped - 60).all() and np.allclose(found.similarity, 1, atol=1e-5)


def test_prune_stands_a_cluster_of_one_picture_many_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGEST", 32)
    view = Shown(np.tile(made(1, 0).vectors, (200, 1, 1)), np.arange(200, 0, -1))
    found = prune(view, 0.25)  # type: ignore[arg-type]
    assert len(found.kept) == 50 and np.isin(found.closest, found.kept).all()


def test_prune_is_the_same_twice() -> None:
    view = made(80, 5)
    first, second = prune(view, 0.4, 9), prune(view, 0.4, 9)  # type: ignore[arg-type]
    assert all(np.array_equal(getattr(first, name), getattr(second, name)) for name in ("kept", "dropped", "closest"))


@pytest.mark.parametrize(("count", "fraction", "keep"), [(0, 0.5, 0), (1, 0.01, 1), (3, 0.5, 2), (5, 1, 5)])
def test_prune_keeps_the_nearest_whole_number(count: int, fraction: float, keep: int) -> None:
    view = made(count, 2) if count else Shown(np.empty((0, 3, 6), np.float32), np.empty(0, np.int64))
    assert len(prune(view, fraction).kept) == keep  # type: ignore[arg-type]


@pytest.mark.parametrize("fraction", [0, -0.1, 1.01, float("nan")])
def test_prune_refuses_a_fraction_outside(fraction: float) -> None:
    with pytest.raises(UsageError, match="fraction"):
        prune(made(4, 0), fraction)  # type: ignore[arg-type]


def test_cluster_puts_each_row_to_its_nearest_centre_and_leaves_none_empty() -> None:
    """Heaps that lie far apart are told apart; with more centres than heaps, none has no rows."""
    rng = np.random.default_rng(4)
    heaps = np.eye(4, 12, dtype=np.float32)
    truth = rng.integers(4, size=400)
    rows = heaps[truth] + rng.normal(size=(400, 12)).astype(np.float32) * 0.02
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labels, cosines = cluster(rows, 8, seed=0)
    assert len(set(labels.tolist())) == 8
    for label in range(8):
        mine = rows[labels == label]
        assert len(set(truth[labels == label].tolist())) == 1
        centre = mine.mean(axis=0) / np.linalg.norm(mine.mean(axis=0))
        assert np.allclose(mine @ centre, cosines[labels == label], atol=0.02)


def test_prune_rows_name_what_is_kept_instead(tmp_path: Path) -> None:
    view = made(20, 8)
    found = prune(view, 0.5)  # type: ignore[arg-type]
    rows = list(prune_rows(found, lambda ids: {number: f"/data/{number}.jpg" for number in ids}))
    assert [row["image_id"] for row in rows] == sorted(view.image_ids.tolist())
    assert [row["image_id"] for row in rows if row["keep"]] == found.kept.tolist()
    named = {row["image_id"]: row["other_path"] for row in rows if not row["keep"]}
    expected = zip(found.dropped.tolist(), found.closest.tolist(), strict=True)
    assert named == {number: f"/data/{other}.jpg" for number, other in expected}
    assert write_table(PRUNED, rows, tmp_path / "pruned.parquet") == 20
