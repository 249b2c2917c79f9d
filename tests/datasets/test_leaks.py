"""Leaks against a table of all pictures with all pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imgsearch.datasets.leaks import LEAKING, Leak, find_leaks, leak_rows
from imgsearch.dedup.evidence.records import TIERS, Evidence, Pair
from imgsearch.dedup.reports.tables import LEAKS, write_table

IDS = st.lists(st.integers(1, 12), max_size=12)


def ids(numbers: Sequence[int]) -> np.ndarray:
    return np.array(numbers, np.int64)


@st.composite
def some_pairs(draw: st.DrawFn) -> list[Pair]:
    found = draw(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), unique=True, max_size=30))
    tiers, scores = st.sampled_from(TIERS), st.sampled_from([0.5, 0.9, 1.0])
    return [Pair(a, b, Evidence(draw(tiers), draw(scores), draw(st.integers(1, 8)))) for a, b in found if a < b]


@given(IDS, IDS, some_pairs(), st.sampled_from([LEAKING, ("near",), TIERS]))
def test_leaks_equal_a_table_of_all_with_all(
    train: list[int], test: list[int], pairs: list[Pair], tiers: tuple[str, ...]
) -> None:
    of = {frozenset((pair.first, pair.second)): pair.evidence for pair in pairs}
    expected = {}
    for one in set(test):
        copies = []
        for other in set(train):
            evidence = Evidence("bytes", 1.0) if one == other else of.get(frozenset((one, other)))
            if evidence is not None and evidence.tier in tiers:
                copies.append((TIERS.index(evidence.tier), 1 - evidence.score, other))
        if copies:
            expected[one] = (min(copies)[2], TIERS[min(copies)[0]], len(copies))
    found = list(find_leaks(ids(train), ids(test), iter(pairs), tiers))
    assert {leak.test: (leak.train, leak.evidence.tier, leak.copies) for leak in found} == expected
    assert [leak.test for leak in found] == sorted(expected)


def test_leak_turns_the_evidence_so_that_the_training_picture_is_first() -> None:
    pair = Pair(1, 2, Evidence("near", 0.9, 6, overlap=0.5))
    assert next(find_leaks(ids([1]), ids([2]), [pair])) == Leak(2, 1, pair.evidence)
    turned = next(find_leaks(ids([2]), ids([1]), [pair])).evidence
    assert turned.orientation == 8 and turned.overlap is None


def test_leak_rows_name_every_file_of_the_test_set(tmp_path: Path) -> None:
    leaks = [
        Leak(2, 1, Evidence("pixels", 1.0)),
        Leak(3, 3, Evidence("bytes", 1.0), 2),
        Leak(4, 9, Evidence("near", 0.9)),
    ]
    test_files = {2: ["/test/a.jpg", "/test/b.jpg"], 3: ["/test/c.jpg"]}
    train_files = {1: ["/train/x.jpg", "/train/y.jpg"], 3: ["/train/c.jpg"]}
    rows = list(leak_rows(leaks, lambda _: test_files, lambda _: train_files))
    assert [(row["path"], row["other_path"], row["tier"], row["copies"]) for row in rows] == [
        ("/test/a.jpg", "/train/x.jpg", "pixels", 1),
        ("/test/b.jpg", "/train/x.jpg", "pixels", 1),
        ("/test/c.jpg", "/train/c.jpg", "bytes", 2),
    ]
    assert write_table(LEAKS, rows, tmp_path / "leaks.csv") == 3
