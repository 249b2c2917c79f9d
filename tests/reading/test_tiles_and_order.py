"""Large pictures in parts, and the orders in which lines are read."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgsearch.reading.engine import begun
from imgsearch.reading.ordering import column_order, row_order
from imgsearch.reading.tiles import LONGEST, OVERLAP, joined, tiles_of
from imgsearch.storage import TextLine


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return points @ np.array([[cosine, sine], [-sine, cosine]])


@given(width=st.integers(1, 9000), height=st.integers(1, 9000))
def test_parts_cover_a_picture_and_share_their_edges(width: int, height: int) -> None:
    tiles = tiles_of(width, height)
    for low, high, side in [("left", "right", width), ("top", "bottom", height)]:
        spans = sorted({(getattr(tile, low), getattr(tile, high)) for tile in tiles})
        assert spans[0][0] == 0 and spans[-1][1] == side and max(b - a for a, b in spans) <= LONGEST
        assert all(one[1] - other[0] >= OVERLAP - 2 for one, other in itertools.pairwise(spans))
        assert len(spans) == 1 or len(spans) <= -(-(side - OVERLAP) // (LONGEST - OVERLAP))


@pytest.mark.parametrize("angle", [0, 20, 90])
def test_line_in_several_parts_is_put_together(angle: int) -> None:
    parts = [(box(0, 0, 500, 20), 0), (box(400, 1, 900, 21), 1), (box(860, 0, 1200, 20), 2)]
    (whole,) = joined([(turned(points, angle), tile) for points, tile in parts])
    sides = sorted([np.linalg.norm(whole[0] - whole[1]), np.linalg.norm(whole[1] - whole[2])])
    assert sides == pytest.approx([21, 1200], abs=1.5)


def test_lines_found_twice_come_once_and_neighbours_stay_apart() -> None:
    found = [(box(0, 0, 300, 20), 0), (box(2, 1, 298, 21), 1), (box(0, 30, 300, 50), 0), (box(320, 0, 500, 20), 1)]
    assert len(joined(found)) == 3
    assert len(joined([(box(0, 0, 300, 20), 0), (box(200, 0, 500, 20), 0)])) == 2  # of one part: it knows better
    assert len(joined([(box(0, 0, 300, 20), 0), (box(250, 0, 500, 60), 1)])) == 2


def test_box_begins_where_its_text_does() -> None:
    wide, high = box(0, 0, 100, 20), box(0, 0, 20, 100)
    assert begun(wide, 0)[0].tolist() == [0, 0] and begun(wide, 2)[0].tolist() == [100, 20]
    assert begun(high, 0)[:2].tolist() == [[20, 0], [20, 100]]  # downwards, its upper side on the right
    assert begun(high, 2)[:2].tolist() == [[0, 100], [0, 0]]


def line(text: str, points: np.ndarray) -> TextLine:
    return TextLine(text, tuple((points / 1000).reshape(-1).tolist()), 1.0, ())


def order_of(lines: list[TextLine]) -> tuple[str, str]:
    rows = row_order(lines, 1000, 1000)
    return "".join(one.text for one in rows), "".join(one.text for one in column_order(rows, 1000, 1000))


def test_lines_are_ordered_by_rows_and_by_columns() -> None:
    places = {"a": (0, 0), "b": (500, 3), "c": (0, 30), "d": (500, 33), "e": (0, 200)}
    lines = [line(text, box(x, y, x + 400, y + 20)) for text, (x, y) in places.items()]
    assert order_of(lines[::-1]) == ("abcde", "acbde")
    assert order_of([]) == ("", "")


@pytest.mark.parametrize("angle", [90, 180, 270, 12])
def test_order_is_that_of_the_text_however_it_is_turned(angle: int) -> None:
    places = {"a": (0, 0), "b": (500, 3), "c": (0, 30), "d": (500, 33)}
    lines = [line(text, turned(box(x, y, x + 400, y + 20), angle) + 3000) for text, (x, y) in places.items()]
    assert order_of(lines[::-1]) == ("abcd", "acbd")


def test_japanese_columns_are_ordered_from_right_to_left() -> None:
    columns = [line(text, begun(box(x, 0, x + 20, 400), 0)) for text, x in [("a", 900), ("b", 860), ("c", 820)]]
    assert order_of(columns[::-1])[0] == "abc"
