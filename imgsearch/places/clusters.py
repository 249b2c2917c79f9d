"""Groups places for a map: how many lie where, at a scale, in a window. Exact counts, right at the poles and across 180
degrees.

The globe is cut into cells that are about square everywhere: rows of equal height, in each as many columns as its
latitude has room for. Cells whose middles come too close to be drawn apart are joined; then it does not matter where
the cuts lie, that of 180 degrees among them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgsearch.places.sphere import EARTH_KM, degrees_of, unit_vectors

LARGEST_ZOOM = 18
"""Cells of 19 m: GPS is no better."""

MOST_CELLS = 8192
"""Cells of one answer, of which a map shows some hundreds. A larger window is answered at a smaller zoom."""

_LAST = 180 - 1e-9
"""Degrees east that are taken as 180 west: rounding would put them into a column behind the last."""

_TOGETHER = 0.75
"""Of a cell's height: middles that are nearer are joined. A page draws 67 pixels a cell and pictures of 48."""


@dataclass(frozen=True, slots=True)
class Window:
    """Degrees. ``west`` greater than ``east`` crosses 180 degrees; from -180 to 180 is all around."""

    south: float = -90.0
    west: float = -180.0
    north: float = 90.0
    east: float = 180.0

    @property
    def width(self) -> float:
        """Degrees, 0 to 360."""
        return self.east - self.west if self.east >= self.west else self.east - self.west + 360


@dataclass(frozen=True, slots=True)
class Cluster:
    """``latitude`` and ``longitude`` are the middle of its ``count`` places, all of which lie within ``radius_km`` of
    it and inside ``bounds``. ``newest`` is the greatest of the ids in its fullest part."""

    latitude: float
    longitude: float
    count: int
    radius_km: float
    bounds: Window
    newest: int


@dataclass(frozen=True, slots=True)
class Clusters:
    """The largest first; ``zoom`` is that asked for, or less where the window would have more than `MOST_CELLS`."""

    found: tuple[Cluster, ...]
    zoom: int

    @property
    def count(self) -> int:
        """Places in all of them: those in the cells that the window touches."""
        return sum(cluster.count for cluster in self.found)


@dataclass(frozen=True, slots=True)
class _Grid:
    """The cells of a zoom that a window touches: rows ``first`` and above, with R of them; int32 [R]: their ``columns``
    all around, the ``westmost`` of the window and how many are ``open``."""

    height: float
    first: int
    columns: NDArray[np.int32]
    westmost: NDArray[np.int32]
    open: NDArray[np.int32]

    @property
    def cells(self) -> int:
        """As many as the widest row has, times rows."""
        return len(self.columns) * int(self.open.max())


@dataclass(frozen=True, slots=True)
class _Cells:
    """K cells that hold something: arrays [K]. Degrees east are below 180."""

    count: NDArray[np.int64]
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    south: NDArray[np.float64]
    north: NDArray[np.float64]
    west: NDArray[np.float64]
    east: NDArray[np.float64]
    newest: NDArray[np.int64]


def clusters_of(
    image_ids: NDArray[np.int64],
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
    window: Window,
    zoom: int,
) -> Clusters:
    """Clusters of places in degrees [n] at ``zoom``, from 0 (cells of 45 degrees) to `LARGEST_ZOOM`, each half as high
    as those before. A million places: 0.1 s of CPU for the whole world, 10 to 40 ms for a window."""
    grid = _grid(window, zoom)
    while grid.cells > MOST_CELLS:
        zoom -= 1
        grid = _grid(window, zoom)
    cells = _filled_cells(grid, image_ids, latitude, longitude)
    return Clusters(tuple(_joined(cells, grid.height)), zoom)


def _grid(window: Window, zoom: int) -> _Grid:
    rows = 4 << zoom
    height = 180 / rows
    first, last = (min(rows - 1, max(0, int((end + 90) / height))) for end in (window.south, window.north))
    middles = (np.arange(first, last + 1) + 0.5) * height - 90
    columns = np.maximum(1, np.rint(360 / height * np.cos(np.radians(middles)))).astype(np.int32)
    westmost = np.floor((window.west + 180) * (columns / 360)).astype(np.int32)
    eastmost = np.floor((window.west + window.width + 180) * (columns / 360)).astype(np.int32)
    return _Grid(height, first, columns, westmost, np.minimum(columns, eastmost - westmost + 1))


def _filled_cells(
    grid: _Grid, image_ids: NDArray[np.int64], latitude: NDArray[np.float64], longitude: NDArray[np.float64]
) -> _Cells:
    rows = np.minimum(((latitude + 90) / grid.height).astype(np.int32), round(180 / grid.height) - 1) - grid.first
    near = np.flatnonzero((rows >= 0) & (rows < len(grid.columns)))
    if len(near) == len(rows):
        lon = longitude.copy()
    else:
        rows, lon = rows[near], longitude[near]
    lon[lon >= _LAST] = -180.0
    columns = grid.columns.take(rows)
    offset = ((lon + 180) * (columns / 360)).astype(np.int32) - grid.westmost.take(rows)
    offset += columns * (offset < 0)
    inside = np.flatnonzero(offset < grid.open.take(rows))
    codes = (rows * grid.open.max() + offset)[inside].astype(np.uint16)  # MOST_CELLS fit
    order = np.argsort(codes, kind="stable")  # two bytes are sorted in linear time
    inside, codes = inside[order], codes[order]
    near, lon = near[inside], lon[inside]
    begins = np.flatnonzero(np.concatenate([codes[:1] >= 0, codes[1:] != codes[:-1]]))
    if not len(begins):
        none, nobody = np.empty(0, np.float64), np.empty(0, np.int64)
        return _Cells(nobody, none, none, none, none, none, none, nobody)
    lat, count = latitude[near], np.diff(begins, append=len(near))
    south, north = np.minimum.reduceat(lat, begins), np.maximum.reduceat(lat, begins)
    west, east = np.minimum.reduceat(lon, begins), np.maximum.reduceat(lon, begins)
    middle = np.clip(np.add.reduceat(lat, begins) / count, south, north)
    across = np.clip(np.add.reduceat(lon, begins) / count, west, east)
    return _Cells(count, middle, across, south, north, west, east, np.maximum.reduceat(image_ids[near], begins))


def _joined(cells: _Cells, height: float) -> list[Cluster]:
    """Each cell with those that come too close to it, the fullest first."""
    vectors = unit_vectors(cells.latitude, cells.longitude)
    close = 4 * math.sin(math.radians(min(180.0, height * _TOGETHER)) / 2) ** 2  # squared chord
    alone = np.ones(len(cells.count), np.bool_)
    northward = np.argsort(cells.latitude, kind="stable")
    latitudes = cells.latitude[northward]
    firsts = np.searchsorted(latitudes, cells.latitude - height * _TOGETHER)
    lasts = np.searchsorted(latitudes, cells.latitude + height * _TOGETHER, side="right")
    found = []
    for seed in np.argsort(-cells.count, kind="stable").tolist():
        if not alone[seed]:
            continue
        together = northward[firsts[seed] : lasts[seed]]
        together = together[alone[together]]
        together = together[((vectors[together] - vectors[seed]) ** 2).sum(1) <= close]
        alone[together] = False
        found.append(_cluster(cells, together, seed, vectors))
    return sorted(found, key=lambda cluster: (-cluster.count, cluster.newest))


def _cluster(cells: _Cells, rows: NDArray[np.int64], seed: int, vectors: NDArray[np.float64]) -> Cluster:
    count = int(cells.count[rows].sum())
    if len(rows) == 1:
        north, east = float(cells.latitude[seed]), float(cells.longitude[seed])
    else:
        north, east = degrees_of((vectors[rows] * cells.count[rows, None]).sum(0))
    west, eastern = _relative(cells.west[rows], east), _relative(cells.east[rows], east)
    around = bool((west > eastern).any())  # one of them holds the place opposite to the middle
    reach = 180.0 if around else float(max(-west.min(), eastern.max(), 0))
    south, top = float(cells.south[rows].min()), float(cells.north[rows].max())
    radius = _radius((north, south, top), reach)
    whole = around or float(eastern.max() - west.min()) >= 360
    sides = float(cells.west[rows[west.argmin()]]), float(cells.east[rows[eastern.argmax()]])
    sides = (-180.0, 180.0) if whole else sides
    return Cluster(north, east, count, radius, Window(south, sides[0], top, sides[1]), int(cells.newest[seed]))


def _relative(longitude: NDArray[np.float64], east: float) -> NDArray[np.float64]:
    """Degrees east of ``east``, -180 to 180."""
    return (longitude - east + 180) % 360 - 180


def _radius(latitudes: tuple[float, float, float], reach: float) -> float:
    """A bound, in kilometres, for the distance from a middle to what lies between two latitudes and at most ``reach``
    degrees east or west of it, from the haversine formula."""
    middle, south, top = latitudes
    high = max(top - middle, middle - south, 0.0)
    widest = 1.0 if south <= 0 <= top else max(math.cos(math.radians(south)), math.cos(math.radians(top)))
    half = math.sin(math.radians(min(180.0, high)) / 2) ** 2
    half += math.cos(math.radians(middle)) * widest * math.sin(math.radians(min(180.0, reach)) / 2) ** 2
    return 2 * EARTH_KM * math.asin(math.sqrt(min(1.0, half)))
