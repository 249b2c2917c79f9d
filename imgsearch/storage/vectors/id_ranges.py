"""Sets of ids as ranges: int64 [n, 2], first and last, ascending and apart from each other. A million ids without gaps
are one row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imgsearch.records import Int64


def as_ranges(ids: Int64) -> Int64:
    """The ranges of these ids, in any order, repeated or not."""
    ordered = np.unique(ids)
    return merged(np.stack([ordered, ordered], axis=1))


def merged(ranges: Int64) -> Int64:
    """Ranges in any order, overlapping or touching, as one set."""
    if not len(ranges):
        return ranges.reshape(0, 2)
    ordered = ranges[np.argsort(ranges[:, 0], kind="stable")]
    lasts = np.maximum.accumulate(ordered[:, 1])
    begins = np.flatnonzero(np.concatenate([[True], ordered[1:, 0] > lasts[:-1] + 1]))
    ends = np.append(begins[1:], len(ordered)) - 1
    return np.stack([ordered[begins, 0], lasts[ends]], axis=1)


def covered(ranges: Int64, ids: Int64) -> NDArray[np.bool_]:
    """Which of ``ids`` int64 [n] are in the set: bool [n]."""
    if not len(ranges):
        return np.zeros(len(ids), np.bool_)
    at = np.searchsorted(ranges[:, 0], ids, side="right") - 1
    return np.asarray((at >= 0) & (ids <= ranges[at, 1]))


def members(ranges: Int64) -> Int64:
    """Every id of the set, ascending; 8 bytes each."""
    counts = ranges[:, 1] - ranges[:, 0] + 1
    starts = np.repeat(ranges[:, 0] - (np.cumsum(counts) - counts), counts)
    return np.asarray(starts + np.arange(len(starts)), dtype=np.int64)


def without(ranges: Int64, ids: Int64) -> Int64:
    """The set without ``ids``; holds its members for a moment."""
    return as_ranges(np.setdiff1d(members(ranges), ids))
