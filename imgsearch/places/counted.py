"""The towns around which images were taken, with their numbers: what a menu of places offers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imgsearch.places.names import find_town, radius_of
from imgsearch.places.sphere import DEGREE_KM, kilometres
from imgsearch.places.towns import Town, Towns, known_towns

_CELLS = 10  # a degree: 11 km, half of what ``near:`` covers around a town
_WIDE = 360 * _CELLS
_TRIES = 4  # cells that are looked at for each town wanted: some lie far from any, some beside one that is taken


def counted_towns(latitude: NDArray[np.float64], longitude: NDArray[np.float64], most: int) -> list[tuple[Town, int]]:
    """At most ``most`` towns for places in degrees [n], and how many lie within ``near:``'s circle around each, the
    fullest first. The first is the town of the fullest cell of 0.1 degrees, the next that of the fullest among places
    that no circle holds yet; so circles overlap at their edges alone. A place near no town is in none.

    Cost: sorting the places, and each circle's own; a million, half of them in one town, take 0.26 s of CPU."""
    if not len(latitude):
        return []
    places = _Places(latitude, longitude)
    towns, found = known_towns(), dict[Town, int]()
    for _ in range(_TRIES * most):
        cell = int(places.left.argmax())
        if len(found) == most or not places.left[cell]:
            break
        town = _town_of(towns, *places.middle(cell))
        if town is None or town in found:
            places.left[cell] = 0
        else:
            found[town] = places.take(town.latitude, town.longitude, radius_of(town))
            if not found[town]:
                del found[town]
                places.left[cell] = 0
    return sorted(found.items(), key=lambda one: (-one[1], one[0].whole_name))


def near_name(town: Town) -> str:
    """What stands behind ``near:`` to mean this town: its name, or, where that means another one, its degrees."""
    name = town.whole_name
    meant = '"' not in name and find_town(name).town == town
    return name if meant else f"{town.latitude:.4f},{town.longitude:.4f},{radius_of(town):g}"


def _town_of(towns: Towns, north: float, east: float) -> Town | None:
    """The town that a place is called after, if ``near:`` that town finds the place."""
    near = towns.around(north, east)
    return near.town if near is not None and near.kilometres <= radius_of(near.town) else None


class _Places:
    """Places in cells, which are numbered row after row from the south: a row's stretch of cells is one slice."""

    def __init__(self, latitude: NDArray[np.float64], longitude: NDArray[np.float64]) -> None:
        rows = np.floor((latitude + 90) * _CELLS).astype(np.int64)
        codes = rows * _WIDE + np.floor((longitude + 180) * _CELLS).astype(np.int64) % _WIDE
        order = np.argsort(codes, kind="stable")
        self._codes, self._north, self._east = codes[order], latitude[order], longitude[order]
        _, self._starts, counts = np.unique(self._codes, return_index=True, return_counts=True)
        self._cells = np.repeat(np.arange(len(counts)), counts)
        self._covered = np.zeros(len(order), np.bool_)
        self.left = counts  # places of each cell that no circle holds

    def middle(self, cell: int) -> tuple[float, float]:
        """Degrees of a cell's places in the middle, of those that no circle holds."""
        stop = self._starts[cell + 1] if cell + 1 < len(self._starts) else len(self._codes)
        rows = np.arange(self._starts[cell], stop)
        rows = rows[~self._covered[rows]]
        return float(self._north[rows].mean()), float(self._east[rows].mean())

    def take(self, north: float, east: float, radius_km: float) -> int:
        """How many places a circle holds; they count as covered from now on."""
        rows = self._around(north, east, radius_km)
        inside = rows[kilometres(self._north[rows], self._east[rows], north, east) <= radius_km]
        fresh = inside[~self._covered[inside]]
        self._covered[fresh] = True
        self.left -= np.bincount(self._cells[fresh], minlength=len(self.left))
        return len(inside)

    def _around(self, north: float, east: float, radius_km: float) -> NDArray[np.int64]:
        """Rows of all places in the cells that the circle may touch."""
        tall = radius_km / DEGREE_KM
        first, last = (int(np.floor((north + way * tall + 90) * _CELLS)) for way in (-1, 1))
        nearest_pole = min(89.9, max(abs(north - tall), abs(north + tall)))
        wide = min(180.0, tall / np.cos(np.radians(nearest_pole)) + 1 / _CELLS)
        west, far = (int(np.floor((east + way * wide + 180) * _CELLS)) for way in (-1, 1))
        stretches = [(west, far)] if west >= 0 and far < _WIDE else [(west % _WIDE, _WIDE - 1), (0, far % _WIDE)]
        if far - west >= _WIDE:
            stretches = [(0, _WIDE - 1)]
        ends = [
            np.searchsorted(self._codes, (row * _WIDE + start, row * _WIDE + stop + 1))
            for row in range(first, last + 1)
            for start, stop in stretches
        ]
        return np.concatenate([np.arange(start, stop) for start, stop in ends])
