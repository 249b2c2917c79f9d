"""The order in which lines are read: row by row, as a receipt is, and down each column, as a newspaper is.

Which one is right a program cannot know, so a phrase may be found in either.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imgsearch.records import Float64
from imgsearch.storage import TextLine

_SAME_ROW = 0.5  # of the lower one's height that two lines share in one row
_BELOW = 2.0  # heights that the next line of a column may lie below
_UNDER = 0.5  # of the shorter one's length that two lines of a column share


def row_order(lines: Sequence[TextLine], width: int, height: int) -> list[TextLine]:
    """Lines of an image of that size, row by row, as most of its text is turned: along it, and from the side where its
    upper edge is; so Japanese columns go from right to left."""
    if not lines:
        return []
    frame = _frame(lines, width, height)  # [n, 4]
    middle = (frame[:, 2] + frame[:, 3]) / 2
    rows: list[list[int]] = []
    for place in np.argsort(middle, kind="stable").tolist():
        if rows and _in_row(frame, rows[-1], place):
            rows[-1].append(place)
        else:
            rows.append([place])
    return [lines[place] for row in rows for place in sorted(row, key=lambda one: frame[one, 0])]


def column_order(rows: Sequence[TextLine], width: int, height: int) -> list[TextLine]:
    """Lines in `row_order` -> each followed by the line that goes on right below it, if there is one."""
    if not rows:
        return []
    frame = _frame(rows, width, height)
    following: dict[int, int] = {}
    led: set[int] = set()
    for place in range(len(rows)):
        below = _next_below(frame, place)
        if below is not None and below not in led:
            following[place] = below
            led.add(below)
    order: list[int] = []
    for head in range(len(rows)):
        current: int | None = head if head not in led else None
        while current is not None:
            order.append(current)
            current = following.get(current)
    return [rows[place] for place in order]


def _frame(lines: Sequence[TextLine], width: int, height: int) -> Float64:
    """Of each line where it begins and ends along the text, and its upper and lower edge across it: float64 [n, 4]."""
    corners = np.array([line.box for line in lines]).reshape(-1, 4, 2) * [width, height]
    directions = (corners[:, 1] - corners[:, 0]) + (corners[:, 2] - corners[:, 3])  # [n, 2]
    along = directions.sum(axis=0)
    if np.linalg.norm(along) <= 0.5 * np.linalg.norm(directions, axis=1).sum():  # turned in many ways
        along = np.array([1.0, 0.0])
    along = along / np.linalg.norm(along)
    across = np.array([-along[1], along[0]])
    one, other = corners @ along, corners @ across  # [n, 4]
    return np.stack([one.min(1), one.max(1), other.min(1), other.max(1)], axis=1)


def _in_row(frame: Float64, row: Sequence[int], place: int) -> bool:
    low, high = frame[row, 2].mean(), frame[row, 3].mean()
    shared = min(high, frame[place, 3]) - max(low, frame[place, 2])
    return bool(shared >= _SAME_ROW * min(high - low, frame[place, 3] - frame[place, 2]))


def _next_below(frame: Float64, place: int) -> int | None:
    start, stop, upper, lower = frame[place]
    height = max(lower - upper, 1e-9)
    middles = (frame[:, 2] + frame[:, 3]) / 2
    shared = np.minimum(stop, frame[:, 1]) - np.maximum(start, frame[:, 0])
    shorter = np.minimum(stop - start, frame[:, 1] - frame[:, 0])
    fits = (middles > lower) & (frame[:, 2] - lower < _BELOW * height) & (shared >= _UNDER * shorter)
    fits &= (frame[:, 3] - frame[:, 2] < 2 * height) & (frame[:, 3] - frame[:, 2] > height / 2)
    if not fits.any():
        return None
    return int(np.argmin(np.where(fits, frame[:, 2], np.inf)))
