"""Towns to filter by: each count is that of a circle around the town, wherever on the globe it is."""

from __future__ import annotations

import numpy as np
import pytest

from imgsearch.places import counted_towns, find_town, near_name
from imgsearch.places.sphere import kilometres
from imgsearch.places.towns import known_towns
from imgsearch.search.query.near import read_near

PLACES = ("Lisbon", "Suva", "Longyearbyen", "Singapore", "Paris, Texas")


def drawn(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Places around towns, some of them on both sides of 180 degrees, some at sea, and the poles."""
    rng = np.random.default_rng(seed)
    towns = [find_town(name).town for name in PLACES]
    middles = [(town.latitude, town.longitude) for town in towns] + [(-16.8, 179.99), (0.0, -140.0), (-77.85, 166.67)]
    chosen = np.array(middles)[rng.integers(0, len(middles), count)]
    north, east = (chosen + rng.normal(0, 0.15, (count, 2))).T
    return np.append(north, [90.0, -90.0]), np.append((east + 180) % 360 - 180, [0.0, 179.0])


@pytest.mark.parametrize("count", [1, 40, 3000])
def test_counts_are_those_of_circles_and_none_is_left_out(count: int) -> None:
    north, east = drawn(count, count)
    found = counted_towns(north, east, 500)
    assert [number for _, number in found] == sorted((number for _, number in found), reverse=True)
    assert len({town for town, _ in found}) == len(found)
    covered = np.zeros(len(north), bool)
    for town, number in found:
        north_of, east_of, radius = read_near(near_name(town))
        inside = kilometres(north, east, north_of, east_of) <= radius
        assert number == int(inside.sum()) > 0, town
        covered |= inside
    for at in np.flatnonzero(~covered)[:50]:  # nowhere near the town that they are called after
        near = known_towns().around(float(north[at]), float(east[at]))
        cell = kilometres(north, east, float(north[at]), float(east[at])) < 16
        assert near is None or near.kilometres > 20 or cell.sum() > 1, (north[at], east[at])


def test_no_more_are_told_than_are_wanted() -> None:
    north, east = drawn(5, 400)
    assert len(counted_towns(north, east, 3)) == 3 and counted_towns(north[:0], east[:0], 5) == []
