"""The pairs that are learned from, those by which a run is steered, and those withheld to judge it by: never copies of
each other."""

from __future__ import annotations

import numpy as np

from imgsearch.errors import UsageError
from imgsearch.records import Int64

SHARE = 0.2
"""Of the pictures, those withheld."""

MOST = 1000
"""Withheld pictures: R@1 of as many is known to within 3 points (95 %)."""

CHECKED, MOST_CHECKED = 0.1, 300
"""Of the pictures, those by which the step to stop at is chosen. What was chosen by them says nothing about a gain, and
therefore they are others than those withheld."""

FEWEST = 50
"""Different pictures below which nothing is tuned. Of 50, ten are withheld, and one of ten is ten points of R@1: an
interval of so few excludes no gain below 30 points."""


def require_enough(different: int, left_out: int) -> None:
    """Raise UsageError for too few different pictures."""
    if different >= FEWEST:
        return
    also = f" ({left_out} rows were left out)" if left_out else ""
    raise UsageError(
        f"there are {different} different pictures with captions{also}, expected {FEWEST} or more",
        "of fewer, too few can be withheld to tell a gain from chance; copies count once",
    )


def split_groups(groups: Int64, seed: int) -> tuple[Int64, Int64, Int64]:
    """Places of the pictures to learn from, of those to steer by and of those withheld, all ascending. ``groups`` int64
    [I]: a number shared by copies, -1 for pictures that count on no side. Whole groups are withheld, small ones first,
    so that of copies little is lost; the same seed withholds the same."""
    known, counts = np.unique(groups[groups >= 0], return_counts=True)
    require_enough(len(known), int((groups < 0).sum()))
    order = np.random.default_rng(seed).permutation(len(known))
    order = order[np.argsort(counts[order] > 1, kind="stable")]
    wanted, checked = sides(len(known))
    withheld = np.isin(groups, known[order[:wanted]])
    checks = np.isin(groups, known[order[wanted : wanted + checked]])
    return np.flatnonzero(~withheld & ~checks & (groups >= 0)), np.flatnonzero(checks), np.flatnonzero(withheld)


def sides(different: int) -> tuple[int, int]:
    """How many of so many different pictures are withheld, and how many a run is steered by."""
    return min(MOST, max(10, round(SHARE * different))), min(MOST_CHECKED, max(5, round(CHECKED * different)))
