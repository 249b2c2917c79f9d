"""Clusters of places: counts against cells counted one by one, what holds for any places, the poles, 180 degrees."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgsearch.places import Cluster, Clusters, Window, clusters_of


def made(places: list[tuple[float, float]], window: Window, zoom: int) -> Clusters:
    table = np.array(places, np.float64).reshape(-1, 2)
    return clusters_of(np.arange(1, len(table) + 1), table[:, 0].copy(), table[:, 1].copy(), window, zoom)


def apart(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Kilometres, by the haversine, in plain Python."""
    a, b, c, d = map(math.radians, (*one, *other))
    half = math.sin((c - a) / 2) ** 2 + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2
    return 2 * 6371.0088 * math.asin(min(1.0, math.sqrt(half)))


def inside(window: Window, place: tuple[float, float]) -> bool:
    lat, lon = place[0], -180.0 if place[1] > 179.99999 else place[1]
    across = window.west <= lon <= window.east if window.west <= window.east else not window.east < lon < window.west
    return window.south <= lat <= window.north and across


def cell(place: tuple[float, float], zoom: int) -> tuple[int, int]:
    rows = 4 * 2**zoom
    row = min(rows - 1, math.floor((place[0] + 90) / (180 / rows)))
    columns = max(1, round(360 / (180 / rows) * math.cos(math.radians((row + 0.5) * (180 / rows) - 90))))
    return row, 0 if place[1] > 179.99999 else math.floor((place[1] + 180) / 360 * columns)


degrees = st.tuples(
    st.floats(-90, 90) | st.sampled_from([-90.0, 90.0, 0.0]),
    st.floats(-180, 179.9999) | st.sampled_from([-180.0, 179.9999, -179.9999, 0.0, 179.99999999999997]),
)
windows = st.tuples(degrees, degrees).map(
    lambda ends: Window(min(ends[0][0], ends[1][0]), ends[0][1], max(ends[0][0], ends[1][0]), ends[1][1])
)


@settings(max_examples=15, deadline=None)
@given(st.lists(degrees, max_size=30), st.integers(0, 18))
def test_whole_world_counts_every_place_once(places: list[tuple[float, float]], zoom: int) -> None:
    found = made(places, Window(), zoom)
    assert found.count == len(places) and all(one.count > 0 for one in found.found)
    assert [one.count for one in found.found] == sorted((one.count for one in found.found), reverse=True)
    for one in found.found:
        assert -90 <= one.latitude <= 90 and -180 <= one.longitude <= 180
        near = [place for place in places if apart((one.latitude, one.longitude), place) <= one.radius_km + 1e-6]
        assert len(near) >= one.count  # `near:` with its radius finds all that it counts
        assert sum(inside(one.bounds, place) for place in places) >= one.count or one.count == 1


@settings(max_examples=15, deadline=None)
@given(st.lists(degrees, max_size=30), windows, st.integers(0, 18))
def test_window_counts_what_lies_in_the_cells_that_it_touches(
    places: list[tuple[float, float]], window: Window, zoom: int
) -> None:
    found = made(places, window, zoom)
    seen = {cell(place, found.zoom) for place in places if inside(window, place)}
    assert found.zoom <= zoom
    assert found.count >= sum(inside(window, place) for place in places)
    assert found.count >= sum(cell(place, found.zoom) in seen for place in places)
    south, north = ((end + 90) / (45 / 2**found.zoom) for end in (window.south, window.north))
    rows = sum(math.floor(south) <= cell(place, found.zoom)[0] <= math.floor(north) for place in places)
    assert found.count <= max(rows, sum(place[0] == 90 for place in places) + rows)


@pytest.mark.parametrize(
    ("places", "middle"),
    [
        ([(10.0, 179.99), (10.0, -179.99)], (10.0, 180.0)),
        ([(89.999, 0.0), (89.999, 90.0), (89.999, 180.0), (89.999, -90.0)], (90.0, None)),
        ([(-90.0, 0.0), (-90.0, 120.0), (-89.9999, -60.0)], (-90.0, None)),
        ([(0.01, 10.0), (-0.01, 10.0)], (0.0, 10.0)),  # a cut between two cells
        ([(45.0, 7.0)] * 5, (45.0, 7.0)),
        ([(0.0, 180.0), (0.0, -180.0)], (0.0, 180.0)),
    ],
)
def test_places_beside_each_other_are_one_cluster(places: list[tuple[float, float]], middle: Any) -> None:
    (one,) = made(places, Window(), 3).found
    assert one.count == len(places) and abs(one.latitude - middle[0]) < 0.02
    if middle[1] is not None:
        assert abs((one.longitude - middle[1] + 180) % 360 - 180) < 1e-6


def test_window_across_180_degrees_sees_both_sides() -> None:
    places = [(-17.0, 178.0), (-17.0, -178.0), (-17.0, 0.0)]
    found = made(places, Window(-30, 170, 0, -170), 6)
    assert found.count == 2 and {round(one.longitude) for one in found.found} == {178, -178}
    assert all(one.bounds.west == one.bounds.east and one.radius_km == 0 for one in found.found)


def test_clusters_are_apart_and_a_town_falls_apart_when_it_is_looked_at() -> None:
    random = np.random.default_rng(3)
    table = np.concatenate([random.normal((48.86, 2.35), 0.05, (500, 2)), random.normal((38.7, -9.1), 0.05, (300, 2))])
    places = [(float(a), float(b)) for a, b in table]
    assert [one.count for one in made(places, Window(), 1).found] == [800]
    assert [one.count for one in made(places, Window(), 5).found] == [500, 300]
    town = made(places, Window(48.6, 2.1, 49.1, 2.6), 12)
    assert len(town.found) > 50 and town.zoom == 12 and town.count == 500
    for zoom in (3, 5, 8, 11):
        middles = [(one.latitude, one.longitude) for one in made(places, Window(), zoom).found]
        assert len(set(middles)) == len(middles)


def test_wide_window_is_answered_at_a_smaller_zoom() -> None:
    found = made([(1.0, 1.0)], Window(), 18)
    assert found.zoom < 18 and found.count == 1
    assert made([], Window(), 18).found == ()
    assert isinstance(found.found[0], Cluster) and found.found[0].newest == 1
