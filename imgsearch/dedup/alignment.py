"""Where one picture shows another: turn, place, scale, small rotation, and how much of it agrees.

Roughly by cross-correlation (`placing`), then an affine map by Gauss-Newton (Lucas and Kanade, 1981), coarse to fine,
with differences that are too large to be noise counted less, so that a sticker does not pull. Then blocks are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgsearch.dedup.agreement import Agreement, compare_blocks
from imgsearch.dedup.differences import gradients, smooth
from imgsearch.dedup.placing import COARSE_SIDE, Place, find_place, resized
from imgsearch.media.signature import TURNS, turned
from imgsearch.records import Float32

SIDE = 128
"""Pixels of the longer side at which blocks are compared."""

LEAST_AGREEMENT = 0.6
"""Share of the blocks with anything in them that must agree in a near copy."""

LEAST_BLOCKS = 12
LEAST_COVER = 0.3
"""Share of either picture that the other must show."""

_WHOLLY = 0.95
_UNTOUCHED = 0.08
"""`Agreement.left`: where less agrees than `_WHOLLY`, something was put over the picture, and a third of the blocks
were left alone: 0.07 and less of 40 overlays, 0.09 to 0.23 of pages of text in one layout, of whose blocks 66 to 83 %
agree."""

_SIDED = 100.0
"""`Agreement.sided` of something put over a picture: 230 and more of 100 watermarks; 5 and less of pages of text in one
layout, 20 and less of most things exchanged."""

_OVERLAID = 0.4
"""`LEAST_AGREEMENT` there: watermarks over whole pictures leave 0.5."""

_WHOLLY_SIDED = 5000.0
_KEPT = 0.5
"""`Agreement.kept` of a picture with little in it, of whose blocks hardly any show anything but the watermark: 0.54 and
more, where what is left is over `_WHOLLY_SIDED`; 0.13 of pictures that are so by chance."""

_CUT_AGREEMENT = 0.8
_UNCUT = 0.9
"""The share of both that must be shown for `LEAST_AGREEMENT`. Of crops, which leave a choice of places, more must
agree: 98 crops of photographs and drawn scenes agree in 1.0, parts of scenes before one kind of sky in 0.6."""

_BANDED = 0.06
"""`Agreement.directions` of what can be laid on any picture with a horizon: 0.02 to 0.04 of parts of two skies and of
frames of one belt; 98 crops have 0.25 and more, 42 rotations 0.1."""

_SEAM = 3  # pixels at the edge of what both show, into which a border around one of them bleeds
_STEPS = 10
_TRIED = 3  # places that are tried
_REFINED = 4  # of which so many are refined further
_JUDGED = 2  # and so many looked at closely
_SURELY = 0.9  # agreement that needs no search
_HOPELESS = 0.3  # a correlation that unrelated pictures reach somewhere
_POOR_FIT = 0.5  # of lightness, where unrelated pictures end up
_GOOD_FIT = 0.96  # at a quarter of the size, which no tilted start need better
_TILT = 0.11  # radians, 6 degrees: what a quarter of the size converges from is 4
_ENOUGH_COVER = 0.5
_GOOD_PLACE = 0.75  # a correlation so high needs no look at the other turns


@dataclass(frozen=True, slots=True)
class Alignment:
    """How the second of two pictures lies on the first, and what that makes them."""

    kind: str  # "near": one shot, cropped, written over or filtered; "moved": one view, things moved; "other"
    turn: int  # EXIF orientation (1-8) that makes the second look as the first
    box: tuple[float, float, float, float]  # left, top, right, bottom in the first, of its size, that both show
    cover: float  # share of the first's area that the second shows, 0..1
    agreement: float  # share of the blocks with anything in them that agree, 0..1
    difference: float  # largest difference of lightness of a block, 0..1
    score: float  # 0..1, how sure that they are one shot


_SQUASH = np.array([[1.0, 0, 0], [0, 1.0, 0]])  # all of one on all of the other
_UNRELATED = Alignment("other", 1, (0.0, 0.0, 0.0, 0.0), 0.0, 0.0, 1.0, 0.0)


@dataclass(frozen=True, slots=True)
class _Fit:
    """``second`` (turned) brought onto the first: the map [2, 3] from the first's coordinates (-1..1 both ways) to the
    second's."""

    turn: int
    map: NDArray[np.float64]
    correlation: float


def align(first: Image.Image, second: Image.Image) -> Alignment:
    """Find how two upright pictures overlap and compare what both show. Within 256 px is enough. 60 ms where they lie
    over each other upright, 250 ms where all turns are tried."""
    a, b = _lightness(first), _lightness(second)
    plain = _judge(a, b, _Fit(1, _SQUASH, 0.0))
    if plain.kind != "other" and plain.agreement >= _SURELY:
        return plain
    found = plain
    for fit in _rough_fits(a, b)[:_JUDGED]:
        other = turned_plane(b, fit.turn)
        judged = _judge(a, other, _refine(a, other, fit, 1))
        found = max(found, judged, key=lambda seen: (seen.kind != "other", seen.score))
        if judged.kind != "other":
            break
    return found


def _rough_fits(a: Float32, b: Float32) -> list[_Fit]:
    """The starts that lead somewhere: all refined at a quarter of the size, the best at half of it, the best first."""
    rough = [_refine(a, turned_plane(b, turn), _Fit(turn, start, 0.0), 4) for turn, start in _starts(a, b)]
    if max((fit.correlation for fit in rough), default=0.0) < _GOOD_FIT:
        rough += [_refine(a, b, _Fit(1, start, 0.0), 4) for start in _tilted(a.shape)]
    fine = [_refine(a, turned_plane(b, fit.turn), fit, 2) for fit in _best(rough)[:_REFINED]]
    return _best(fine)


def _best(fits: list[_Fit]) -> list[_Fit]:
    return sorted((fit for fit in fits if fit.correlation > _POOR_FIT), key=lambda fit: -fit.correlation)


def _judge(a: Float32, b: Float32, fit: _Fit) -> Alignment:
    values, mask = _warp(smooth(b), fit.map, a.shape)
    cover, other_cover = _covers(fit.map, mask)
    box = _box(mask)
    if not mask.any():
        return _UNRELATED
    whole = min(cover, other_cover) > _UNCUT
    found = compare_blocks(smooth(a), values, mask if whole else _eroded(mask, _SEAM))
    enough = found.blocks >= LEAST_BLOCKS and max(cover, other_cover) >= LEAST_COVER
    kind, score = _verdict(found, whole) if enough else ("other", 0.0)
    return Alignment(kind, fit.turn, box, cover, found.share, min(1.0, found.largest / 255), score)


def _verdict(found: Agreement, whole: bool) -> tuple[str, float]:
    """(`Alignment.kind`, `Alignment.score`) of what agrees so; ``whole``: both are shown nearly wholly."""
    if whole and found.sided > _WHOLLY_SIDED and found.kept >= _KEPT and found.share < _OVERLAID:
        return "near", _sureness(found.kept, _KEPT)
    overlaid = whole and found.sided > _SIDED
    least = _OVERLAID if overlaid else LEAST_AGREEMENT if whole else _CUT_AGREEMENT
    score = _sureness(found.share, least)
    surely = overlaid or (whole and found.share >= _WHOLLY)
    if found.share >= least and (surely or found.left <= _UNTOUCHED):
        if found.both_ways and not overlaid:
            return "moved", score
        if surely or found.directions >= _BANDED:
            return "near", score
    return "other", min(score, 0.49)


def _sureness(share: float, least: float) -> float:
    return 1 / (1 + ((1 - share) / (1 - least)) ** 3)


def _eroded(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """Without what lies within ``by`` pixels of its edges, those of the plane included."""
    inside = np.pad(mask, by)
    rows = inside[: -2 * by] & inside[by:-by] & inside[2 * by :]
    return rows[:, : -2 * by] & rows[:, by:-by] & rows[:, 2 * by :]


def _box(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return 0.0, 0.0, 0.0, 0.0
    height, width = mask.shape
    return columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height


def turned_plane(plane: Float32, turn: int) -> Float32:
    """[h, w] turned as EXIF orientation ``turn`` says."""
    return np.ascontiguousarray(turned(plane, turn))


def _lightness(image: Image.Image) -> Float32:
    scale = SIDE / max(image.size)
    size = max(16, round(image.width * scale)), max(16, round(image.height * scale))
    return np.asarray(image.convert("L").resize(size, Image.Resampling.LANCZOS), np.float32)


def _starts(a: Float32, b: Float32) -> list[tuple[int, NDArray[np.float64]]]:
    """The (turn, map) that correlate best: either picture as a part of the other. The plain squash is always tried."""
    small_a, small_b = _coarse(a), _coarse(b)
    found: list[tuple[float, int, NDArray[np.float64]]] = []
    for turn in TURNS:
        other = turned_plane(small_b, turn)
        inside, around = find_place(small_a, other), find_place(other, small_a)
        found.append((abs(inside.correlation), turn, _map_into(inside)))
        found.append((abs(around.correlation), turn, _map_out_of(around)))
        if turn == 1 and max(start[0] for start in found) > _GOOD_PLACE:
            break
    found = sorted((start for start in found if start[0] >= _HOPELESS), key=lambda start: -start[0])[:_TRIED]
    if not found:
        return []
    return [(turn, start) for _, turn, start in found] + [(found[0][1], _SQUASH)]


def _tilted(shape: tuple[int, ...]) -> list[NDArray[np.float64]]:
    """Maps of an upright picture tilted by `_TILT` either way, whole or cut to fit."""
    aspect = shape[0] / shape[1]
    maps = []
    for angle in (-_TILT, _TILT):
        for size in (1.0, 1.2):
            c, s = size * np.cos(angle), size * np.sin(angle)
            maps.append(np.array([[c, -s * aspect, 0], [s / aspect, c, 0]]))
    return maps


def _coarse(plane: Float32) -> Float32:
    scale = COARSE_SIDE / max(plane.shape)
    return resized(plane, max(12, round(plane.shape[0] * scale)), max(12, round(plane.shape[1] * scale)))


def _map_into(place: Place) -> NDArray[np.float64]:
    """The second lies in the first at the box: first's coordinates -> second's."""
    left, top, right, bottom = place.box
    across, down = 1 / (right - left), 1 / (bottom - top)
    return np.array([[across, 0, across * (1 - right - left)], [0, down, down * (1 - bottom - top)]])


def _map_out_of(place: Place) -> NDArray[np.float64]:
    """The first lies in the second at the box."""
    left, top, right, bottom = place.box
    return np.array([[right - left, 0, right + left - 1], [0, bottom - top, bottom + top - 1]])


def _refine(a: Float32, b: Float32, fit: _Fit, shrink: int) -> _Fit:
    """Gauss-Newton at a part of the full size, and how well that fits: the correlation of what both show, less where
    they share little."""
    current = fit.map
    x = smooth(resized(a, max(12, a.shape[0] // shrink), max(12, a.shape[1] // shrink)))
    y = smooth(resized(b, max(12, b.shape[0] // shrink), max(12, b.shape[1] // shrink)))
    for _ in range(_STEPS):
        moved = _step(x, y, current)
        done = np.abs(moved - current).max() < 0.2 / max(x.shape)
        current = moved
        if done:
            break
    values, mask = _warp(y, current, x.shape)
    shared = max(_covers(current, mask))
    fits = abs(_correlation(x[mask], values[mask])) if mask.any() else 0.0
    return _Fit(fit.turn, current, fits * min(1.0, shared / _ENOUGH_COVER))


def _covers(current: NDArray[np.float64], mask: NDArray[np.bool_]) -> tuple[float, float]:
    """(share of the first's area that the second shows, share of the second's area that lies there)."""
    cover = float(mask.mean())
    return cover, min(1.0, cover * abs(float(np.linalg.det(current[:, :2]))))


def _step(x: Float32, y: Float32, current: NDArray[np.float64]) -> NDArray[np.float64]:
    values, mask = _warp(y, current, x.shape)
    if mask.mean() < 0.1:
        return current
    across, down = gradients(values)
    height, width = x.shape
    u, v = _grid(x.shape)
    # d value / d map, chain rule through the map's own linear part: gradients are taken in the first's frame
    inverse = np.linalg.pinv(current[:, :2])
    gx, gy = across * ((width - 1) / 2), down * ((height - 1) / 2)
    gain, offset = _line(values[mask], x[mask])
    gradient_x = gx * np.float32(gain * inverse[0, 0]) + gy * np.float32(gain * inverse[1, 0])
    gradient_y = gx * np.float32(gain * inverse[0, 1]) + gy * np.float32(gain * inverse[1, 1])
    columns = [gradient_x * u, gradient_x * v, gradient_x, gradient_y * u, gradient_y * v, gradient_y]
    design = np.stack([*columns, values, np.ones_like(values)]).reshape(8, -1)  # [8, p]
    rest = x - np.float32(gain) * values - np.float32(offset)
    spread = 1.5 * np.median(np.abs(rest[mask])) + 1
    weight = mask / (1 + (rest / np.float32(2 * spread)) ** 2)
    weighted = design * weight.reshape(-1)
    normal = (weighted @ design.T).astype(np.float64)
    normal[np.diag_indices(6)] *= 1.001
    normal += 1e-6 * np.eye(8) * np.trace(normal)
    change = np.linalg.solve(normal, (weighted @ rest.reshape(-1)).astype(np.float64))[:6].reshape(2, 3)
    moved: NDArray[np.float64] = current + np.clip(change, -0.15, 0.15)
    return moved


def _warp(plane: Float32, into: NDArray[np.float64], shape: tuple[int, ...]) -> tuple[Float32, NDArray[np.bool_]]:
    """``plane`` [h, w] seen through the map, bilinear: (values [shape], where it has any)."""
    height, width = plane.shape
    u, v = _grid(shape)
    across, down = into.astype(np.float32)
    x = (across[0] * u + across[1] * v + (across[2] + 1)) * np.float32((width - 1) / 2)
    y = (down[0] * u + down[1] * v + (down[2] + 1)) * np.float32((height - 1) / 2)
    mask = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    x, y = x.clip(0, np.float32(width - 1.001)), y.clip(0, np.float32(height - 1.001))
    column, row = x.astype(np.int32), y.astype(np.int32)
    fx, fy = x - column, y - row
    flat, at = plane.reshape(-1), row * width + column
    upper = flat[at] * (1 - fx) + flat[at + 1] * fx
    lower = flat[at + width] * (1 - fx) + flat[at + width + 1] * fx
    return np.asarray(upper * (1 - fy) + lower * fy, np.float32), mask


@lru_cache(maxsize=256)
def _grid(shape: tuple[int, ...]) -> tuple[Float32, Float32]:
    """Coordinates -1..1 of the pixels of a plane, across and down: float32 [shape] each."""
    v, u = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    return u.astype(np.float32), v.astype(np.float32)


def _line(values: Float32, target: Float32) -> tuple[float, float]:
    mean, wanted = values.mean(), target.mean()
    gain = float(((values - mean) * (target - wanted)).sum() / max(float(((values - mean) ** 2).sum()), 1e-3))
    return gain, float(wanted - gain * mean)


def _correlation(x: Float32, y: Float32) -> float:
    x0, y0 = x - x.mean(), y - y.mean()
    return float((x0 * y0).sum() / max(float(np.sqrt((x0 * x0).sum() * (y0 * y0).sum())), 1e-3))
