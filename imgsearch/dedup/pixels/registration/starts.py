"""Finds where one image may lie in another from their signatures alone: windows of one against the whole of the other,
at the eight orientations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imgsearch.dedup.pixels.crop_descriptors import SIDE as CELLS
from imgsearch.dedup.pixels.crop_descriptors import WINDOWS, describe_windows
from imgsearch.dedup.pixels.photometric_residual import smooth
from imgsearch.dedup.pixels.registration.affine import IDENTITY, refine, rest_of
from imgsearch.media.signature import ORIENTATIONS, luma_of, oriented
from imgsearch.records import Float32, Int64, UInt8

_PLACES = 2
"""Places from windows that are tried for a pair, beside all on all."""

KEPT = 3
"""Starts that a pair keeps."""

_SAME = 0.03  # of a map's numbers: half a pixel of 32
_STEPS = 5
_SURELY = 0.97  # a correlation that makes other starts needless
_TILT = 0.11  # radians, 6 degrees; 32 pixels converge from up to 4
_PAIRS = 64  # at a time: their planes stay in the cache


@dataclass(frozen=True, slots=True)
class Starts:
    """The best fits of n pairs at 32 px, k each, the best first: ``orientations`` int64 [n, k] (EXIF, of the second),
    ``maps`` float32 [n, k, 2, 3], ``correlation`` float32 [n, k], 0 to 1, and ``rest`` float32 [n], the least
    `affine.rest_of` among them and all on all."""

    orientations: Int64
    maps: Float32
    correlation: Float32
    rest: Float32


@dataclass(frozen=True, slots=True)
class _Fitted:
    orientations: Int64
    maps: Float32
    correlation: Float32


def find_starts(first: UInt8, second: UInt8, keep: int = KEPT) -> Starts:
    """The starts of pairs of signatures uint8 [n, 1536]. 1 ms a pair."""
    parts = [_find(first[at : at + _PAIRS], second[at : at + _PAIRS], keep) for at in range(0, len(first), _PAIRS)]
    return Starts(
        np.concatenate([part.orientations for part in parts] or [np.empty((0, keep), np.int64)]),
        np.concatenate([part.maps for part in parts] or [np.empty((0, keep, 2, 3), np.float32)]),
        np.concatenate([part.correlation for part in parts] or [np.empty((0, keep), np.float32)]),
        np.concatenate([part.rest for part in parts] or [np.empty(0, np.float32)]),
    )


def _find(first: UInt8, second: UInt8, keep: int) -> Starts:
    a, b = luma_of(first), luma_of(second)
    x, y = smooth(a.astype(np.float32)), smooth(b.astype(np.float32))
    found = _refined(x, y, *_places(a, b))
    poor = np.flatnonzero(found.correlation.max(axis=1) < _SURELY)
    if len(poor):
        tilted = np.broadcast_to(_TILTED, (len(poor), *_TILTED.shape))
        more = _refined(x[poor], y[poor], np.ones((len(poor), len(_TILTED)), np.int64), tilted)
        found = _joined(found, more, poor)
    order = np.argsort(-_distinct(found), axis=1, kind="stable")[:, :keep]
    rows = np.arange(len(a))[:, None]
    orientations, maps = found.orientations[rows, order], found.maps[rows, order]
    others = turned_planes(np.repeat(y, keep, axis=0), orientations.reshape(-1))
    rest = rest_of(np.repeat(x, keep, axis=0), others, maps.reshape(-1, 2, 3)).reshape(-1, keep).min(axis=1)
    plain = rest_of(x, y, np.broadcast_to(IDENTITY, (len(x), 2, 3)))
    return Starts(orientations, maps, found.correlation[rows, order], np.minimum(rest, plain))


def _distinct(found: _Fitted) -> Float32:
    """The correlation of each start, or -1 if a better one of the pair came to the same place: [n, k]."""
    correlation = found.correlation.copy()
    count = correlation.shape[1]
    for one in range(count):
        for other in range(count):
            same = found.orientations[:, one] == found.orientations[:, other]
            same &= np.abs(found.maps[:, one] - found.maps[:, other]).max(axis=(1, 2)) < _SAME
            worse = found.correlation[:, other] < found.correlation[:, one]
            if one < other:
                worse |= found.correlation[:, other] == found.correlation[:, one]
            correlation[same & worse & (one != other), other] = -1
    return correlation


def _joined(found: _Fitted, more: _Fitted, rows: Int64) -> _Fitted:
    n, k = len(found.orientations), more.orientations.shape[1]
    orientations, maps = np.ones((n, k), np.int64), np.zeros((n, k, 2, 3), np.float32)
    correlation = np.zeros((n, k), np.float32)
    orientations[rows], maps[rows], correlation[rows] = more.orientations, more.maps, more.correlation
    return _Fitted(
        np.concatenate([found.orientations, orientations], axis=1),
        np.concatenate([found.maps, maps], axis=1),
        np.concatenate([found.correlation, correlation], axis=1),
    )


def _refined(x: Float32, y: Float32, orientations: Int64, maps: Float32) -> _Fitted:
    """Every start of every pair by Gauss-Newton at 32 px."""
    n, k = orientations.shape
    others = turned_planes(np.repeat(y, k, axis=0), orientations.reshape(-1)).reshape(n, k, *y.shape[1:])
    fits = refine(x, others, maps, _STEPS)
    return _Fitted(orientations, fits.maps, np.abs(fits.correlation))


def turned_planes(planes: Float32, orientations: Int64) -> Float32:
    """Planes [n, S, S], each at its orientation (EXIF)."""
    if (orientations == 1).all():
        return planes
    out = np.ascontiguousarray(planes).copy()
    for orientation in ORIENTATIONS[1:]:
        those = np.flatnonzero(orientations == orientation)
        out[those] = oriented(planes[those], orientation)
    return out


def _places(a: UInt8, b: UInt8) -> tuple[Int64, Float32]:
    """(orientations [n, k], maps [n, k, 2, 3]) of the most similar windows, and of all on all."""
    windows_a, windows_b = _described(a), _described(b)  # [n, windows, 64]
    n, count = windows_a.shape[:2]
    whole_b = np.stack(
        [_turned_cells(windows_b[:, 0], orientation) for orientation in ORIENTATIONS], axis=1
    )  # [n, 8, 64]
    whole_a = np.stack([_turned_cells(windows_a[:, 0], _undo(orientation)) for orientation in ORIENTATIONS], axis=1)
    inside = np.abs(windows_a @ whole_b.transpose(0, 2, 1))  # [n, windows, 8]: the second lies in the first
    around = np.abs(windows_b @ whole_a.transpose(0, 2, 1))  # the first, turned as the second is, lies in the second
    around[:, 0] = 0  # all on all, as above
    both = np.concatenate([inside, around], axis=1).reshape(n, -1)
    best = np.argsort(-both, axis=1)[:, :_PLACES]
    places, orientations = best // len(ORIENTATIONS), best % len(ORIENTATIONS) + 1
    maps = np.empty((n, _PLACES + 1, 2, 3), np.float32)
    maps[:, :_PLACES] = np.where(
        (places < count)[..., None, None], _INTO[places % count], _out_of(places % count, orientations)
    )
    maps[:, _PLACES] = _INTO[0]
    return np.concatenate([orientations, np.ones((n, 1), np.int64)], axis=1), maps


def _described(luma: UInt8) -> Float32:
    """`describe_windows`, computed once for an image that appears several times."""
    keys = np.ascontiguousarray(luma).reshape(len(luma), -1).view(f"V{luma[0].size}")[:, 0]
    _, own, place = np.unique(keys, return_index=True, return_inverse=True)
    return describe_windows(luma[own])[place.reshape(-1)]


def _turned_cells(cells: Float32, orientation: int) -> Float32:
    return np.ascontiguousarray(oriented(cells.reshape(-1, CELLS, CELLS), orientation)).reshape(len(cells), -1)


def _undo(orientation: int) -> int:
    return (0, 1, 2, 3, 4, 5, 8, 7, 6)[orientation]


def _into_maps() -> Float32:
    """For each window of the first that the second fills: the map from the first's coordinates to the second's."""
    maps = np.zeros((len(WINDOWS), 2, 3), np.float32)
    for number, (left, top, side) in enumerate(WINDOWS):
        maps[number] = [[1 / side, 0, (1 - 2 * left - side) / side], [0, 1 / side, (1 - 2 * top - side) / side]]
    return maps


def _turned_boxes() -> Float32:
    """For each window of the second (as it lies in the file) and orientation: the map from the first's coordinates,
    which fills the window, to those of the second once it is turned; [windows, 8, 2, 3]."""
    maps = np.zeros((len(WINDOWS), len(ORIENTATIONS), 2, 3), np.float32)
    for number, (left, top, side) in enumerate(WINDOWS):
        x, y = 2 * left + side - 1, 2 * top + side - 1  # the window's middle
        for orientation in ORIENTATIONS:
            across, down = (y, x) if orientation >= 5 else (x, y)
            across = -across if orientation in (2, 3, 6, 7) else across
            down = -down if orientation in (3, 4, 7, 8) else down
            maps[number, orientation - 1] = [[side, 0, across], [0, side, down]]
    return maps


_INTO = _into_maps()
_OUT_OF = _turned_boxes()


def _out_of(windows: Int64, orientations: Int64) -> Float32:
    return np.asarray(_OUT_OF[windows, orientations - 1], np.float32)


def _tilted_maps() -> Float32:
    maps = []
    for angle in (-_TILT, _TILT):
        for size in (1.0, 0.83):
            c, s = size * np.cos(angle), size * np.sin(angle)
            maps.append([[c, -s, 0], [s, c, 0]])
    return np.array(maps, np.float32)


_TILTED = _tilted_maps()
