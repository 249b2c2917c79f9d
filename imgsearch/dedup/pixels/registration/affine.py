"""Registers many pairs of small square planes at once: affine maps by Gauss-Newton.

Inverse compositional (Baker and Matthews, 2004): the gradients are those of the first image and are computed once. Each
step lays the second over it and finds the small map of the first, with a gain and an offset of lightness, that explains
the result. Pixels whose rest is too large to be noise count less, so that a sticker does not pull.

A map is float32 [2, 3] from the first's coordinates to the second's. Coordinates run from -1 to 1 over the edges of an
image both ways, so a map means the same at every size and aspect.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from imgsearch.dedup.pixels.photometric_residual import gradients
from imgsearch.records import Float32

Masks = NDArray[np.bool_]

IDENTITY: Float32 = np.array([[1, 0, 0], [0, 1, 0]], np.float32)

_LEAST_SHARED = 0.1  # of the pixels, below which a step says nothing
_MOST_STEP = 0.15  # of a map's numbers at a time
_ENOUGH_COVER = 0.5  # overlap below which a fit counts less
_RIDGE = 1e-3
_STILL = 0.1  # pixels, twice over: a smaller step is the last
_PIXELS = 16_384  # at a time, so that a step's data stay in the cache
_LEAST_GAIN = 0.05
_FLAT = 1e-3
_ROBUST = 3
_NOTHING = 9.0
_UPPER = np.triu_indices(8)
_FLOOR = 1.0  # lightness: the least that counts as noise


@dataclass(frozen=True, slots=True)
class Fits:
    """Maps and how well they fit: the correlation -1..1 in the overlap, nearer to 0 if the overlap is small."""

    maps: Float32  # [n, k, 2, 3]
    correlation: Float32  # [n, k]


def refine(first: Float32, second: Float32, maps: Float32, steps: int) -> Fits:
    """Registers lightness 0..255 with k starts a pair: ``first`` float32 [n, S, S], ``second`` [n, k, S, S] (each
    turned as its start asks), ``maps`` [n, k, 2, 3]. A step of a start costs 25 us at S = 32, 100 us at 64."""
    n, k, side = second.shape[:3]
    size = max(1, _PIXELS // (k * side**2))
    found = np.empty((n, k, 2, 3), np.float32)
    correlation = np.empty((n, k), np.float32)
    for at in range(0, n, size):
        part = slice(at, at + size)
        found[part], correlation[part] = _refined(first[part], second[part], maps[part], steps)
    return Fits(found, correlation)


def _refined(first: Float32, second: Float32, maps: Float32, steps: int) -> tuple[Float32, Float32]:
    n, k, side = second.shape[:3]
    design, products = _design(first)
    others = second.reshape(n * k, side, side)
    current = maps.astype(np.float64).reshape(n * k, 2, 3)
    for _ in range(steps):
        moved = _step(design, products, others, current)
        still = np.abs(moved - current).max() <= _STILL / side
        current = moved
        if still:
            break
    found = current.astype(np.float32)
    whole = first if k == 1 else np.repeat(first, k, axis=0)
    return found.reshape(n, k, 2, 3), correlation_of(whole, others, found).reshape(n, k)


def correlation_of(first: Float32, second: Float32, maps: Float32) -> Float32:
    """`Fits.correlation` of maps without refining them."""
    values, mask = warp(second, maps)
    n = len(first)
    weight = mask.reshape(n, -1).astype(np.float32)
    x, y = first.reshape(n, -1), values.reshape(n, -1)
    total = np.maximum(weight.sum(axis=1), 1)
    x = (x - ((x * weight).sum(axis=1) / total)[:, None]) * weight
    y = (y - ((y * weight).sum(axis=1) / total)[:, None]) * weight
    norm = np.sqrt(np.einsum("np,np->n", x, x) * np.einsum("np,np->n", y, y))
    found = np.einsum("np,np->n", x, y) / np.maximum(norm, total)
    shared = np.maximum(*overlaps(maps, mask))
    return np.asarray(found * np.minimum(1, shared / _ENOUGH_COVER), np.float32)


def rest_of(first: Float32, second: Float32, maps: Float32) -> Float32:
    """Median rest of each first once the second, in most of its overlap, is brought to it by a straight line of
    lightness or by an offset, over the deviation of the first there: [n]; near 0 for copies, whatever is put over them.
    """
    n = len(first)
    warped, shown = warp(second, maps)
    mask = shown.reshape(n, 1, -1).astype(np.float32)
    x, y = first.reshape(n, 1, -1), warped.reshape(n, 1, -1)
    level = _median(x - y + 256, mask)[..., None]
    least = _median(np.abs(x - y + 256 - level), mask)[:, 0]
    kept, median = mask, least
    for _ in range(_ROBUST):
        total = np.maximum(kept.sum(axis=2, keepdims=True), 1)
        apart = y - (y * kept).sum(axis=2, keepdims=True) / total
        wanted = x - (x * kept).sum(axis=2, keepdims=True) / total
        gain = (apart * wanted * kept).sum(axis=2, keepdims=True)
        gain /= np.maximum((apart * apart * kept).sum(axis=2, keepdims=True), 1e-3)
        rest = np.abs(wanted - gain * apart)
        median = _median(rest, mask)[:, 0]
        kept = mask * (rest <= 2.5 * median[:, None, None] + 1)
    total = np.maximum(mask.sum(axis=2), 1)
    mean = (x * mask).sum(axis=2) / total
    deviation = np.sqrt(((x - mean[..., None]) ** 2 * mask).sum(axis=2) / total)[:, 0]
    found = np.minimum(least, median) / np.maximum(deviation, 2)
    return np.where(mask.mean(axis=(1, 2)) < _LEAST_SHARED, _NOTHING, found).astype(np.float32)


def overlaps(maps: Float32, mask: Masks) -> tuple[Float32, Float32]:
    """(share of the first's area that the second shows, share of the second's area that lies there), [n] each."""
    overlap = mask.mean(axis=(1, 2), dtype=np.float32)
    area = np.abs(maps[:, 0, 0] * maps[:, 1, 1] - maps[:, 0, 1] * maps[:, 1, 0])
    return overlap, np.minimum(1, overlap * area)


def warp(planes: Float32, maps: Float32, side: int = 0) -> tuple[Float32, Masks]:
    """``planes`` [n, S, S] seen through the maps, bilinear, at ``side`` (S by default): (values [n, side, side], mask
    of the pixels that have a value)."""
    n, own = planes.shape[:2]
    u, v = grid(side or own)
    across, down = u[:1], v[:, :1]
    half = np.float32(own / 2)
    m = maps.astype(np.float32)[:, :, :, None, None] * half
    x = m[:, 0, 0] * across + (m[:, 0, 1] * down + (m[:, 0, 2] + half - np.float32(0.5)))
    y = m[:, 1, 0] * across + (m[:, 1, 1] * down + (m[:, 1, 2] + half - np.float32(0.5)))
    mask = (x >= -0.5) & (x <= own - 0.5) & (y >= -0.5) & (y <= own - 0.5)
    np.clip(x, 0, np.float32(own - 1.001), out=x)
    np.clip(y, 0, np.float32(own - 1.001), out=y)
    column, row = x.astype(np.int32), y.astype(np.int32)
    x -= column
    y -= row
    at = row * own + column + (np.arange(n, dtype=np.int32) * (own * own))[:, None, None]
    flat = np.ascontiguousarray(planes).reshape(-1)
    left, right = flat.take(at), flat.take(at + 1)
    upper = left + (right - left) * x
    at += own
    left, right = flat.take(at), flat.take(at + 1)
    lower = left + (right - left) * x
    return upper + (lower - upper) * y, mask


def inverse(maps: Float32) -> Float32:
    """The inverse maps, [n, 2, 3]; a map that squashes an image to a line is returned unchanged."""
    linear = maps[:, :, :2].astype(np.float64)
    flat = np.abs(np.linalg.det(linear)) < _FLAT
    linear[flat] = np.eye(2)
    back = np.linalg.inv(linear)
    out = np.concatenate([back, -back @ maps[:, :, 2:].astype(np.float64)], axis=2)
    out[flat] = maps[flat]
    return out.astype(np.float32)


@lru_cache(maxsize=8)
def grid(side: int) -> tuple[Float32, Float32]:
    """Coordinates -1..1 of the pixels' middles, across and down: float32 [S, S] each."""
    middles = ((2 * np.arange(side) + 1) / side - 1).astype(np.float32)
    u, v = np.meshgrid(middles, middles)
    return u, v


def _design(planes: Float32) -> tuple[Float32, Float32]:
    """The effect of a small map, a gain and an offset on each image, [n, p, 8], and the products of each two of these,
    [n, p, 36]."""
    n, side = planes.shape[:2]
    u, v = (axis.reshape(-1) for axis in grid(side))
    across, down = (side_ways.reshape(n, -1) * np.float32(side / 2) for side_ways in gradients(planes))
    flat = planes.reshape(n, -1)
    out = np.empty((8, n, side * side), np.float32)
    out[0], out[1], out[2] = across * u, across * v, across
    out[3], out[4], out[5] = down * u, down * v, down
    out[6], out[7] = flat - flat.mean(axis=1, keepdims=True), 1
    products = np.empty((len(_UPPER[0]), n, side * side), np.float32)
    for number, (one, other) in enumerate(zip(*_UPPER, strict=True)):
        np.multiply(out[one], out[other], out=products[number])
    return out.transpose(1, 2, 0), products.transpose(1, 2, 0)


def _step(design: Float32, products: Float32, second: Float32, current: NDArray[np.float64]) -> NDArray[np.float64]:
    n, p = design.shape[:2]
    k = len(second) // n
    warped, shown = warp(second, current.astype(np.float32))
    values, mask = warped.reshape(n, k, p), shown.reshape(n, k, p).astype(np.float32)
    values -= values.mean(axis=2, keepdims=True)
    weight = _weights(np.ascontiguousarray(design[:, :, 6])[:, None], values, mask)
    upper = (weight @ products).astype(np.float64).reshape(n * k, -1)  # [n k, 36]
    normal = np.empty((n * k, 8, 8))
    normal[:, _UPPER[0], _UPPER[1]] = upper
    normal[:, _UPPER[1], _UPPER[0]] = upper
    ridge = 1e-6 * np.trace(normal[:, :6, :6], axis1=1, axis2=2)[:, None]
    diagonal = np.arange(8)
    normal[:, diagonal[:6], diagonal[:6]] *= 1 + _RIDGE
    normal[:, diagonal[:6], diagonal[:6]] += ridge
    normal[:, diagonal, diagonal] += 1e-3
    weight *= values
    target = (weight @ design).astype(np.float64).reshape(n * k, 8)
    found = np.linalg.solve(normal, target[..., None])[..., 0]  # [n k, 8]
    gain = np.where(np.abs(found[:, 6]) < _LEAST_GAIN, np.copysign(_LEAST_GAIN, found[:, 6]), found[:, 6])
    change = np.clip(found[:, :6] / gain[:, None], -_MOST_STEP, _MOST_STEP).reshape(n * k, 2, 3)
    change[mask.reshape(n * k, p).mean(axis=1) < _LEAST_SHARED] = 0
    return _undone(current, change)


def _weights(source: Float32, target: Float32, mask: Float32) -> Float32:
    """Small weights where much of ``target`` [n, k, p] is left beside a straight line of ``source`` [n, 1, p], none
    outside ``mask``."""
    total = np.maximum(mask.sum(axis=2), 1)
    seen = mask * source
    x_mean, y_mean = seen.sum(axis=2) / total, np.einsum("nkp,nkp->nk", mask, target) / total
    square = np.einsum("nkp,nkp->nk", seen, np.broadcast_to(source, seen.shape)) / total - x_mean**2
    gain = (np.einsum("nkp,nkp->nk", seen, target) / total - x_mean * y_mean) / np.maximum(square, 1e-3)
    rest = target - gain[..., None] * source
    rest -= (y_mean - gain * x_mean)[..., None]
    np.abs(rest, out=rest)
    spread = _FLOOR + 1.5 * _median(rest, mask)
    rest *= (0.5 / spread)[..., None].astype(np.float32)
    rest *= rest
    rest += 1
    return np.asarray(np.divide(mask, rest, out=rest))


def _median(rest: Float32, mask: Float32) -> Float32:
    """Of ``rest`` [n, k, p] where ``mask`` is, from a sixteenth of the pixels: [n, k]."""
    step = 4 if rest.shape[2] <= 1024 else 15
    seen = mask[..., ::step] > 0
    ordered = np.sort(np.where(seen, rest[..., ::step], np.inf), axis=2)
    middle = seen.sum(axis=2) // 2
    found = np.take_along_axis(ordered, middle[..., None], axis=2)[..., 0]
    return np.where(np.isfinite(found), found, 255).astype(np.float32)


def _undone(current: NDArray[np.float64], change: NDArray[np.float64]) -> NDArray[np.float64]:
    """``current`` after the inverse of the small map ``x + change(x)``."""
    linear = np.linalg.inv(np.eye(2) + change[:, :, :2])
    moved = np.empty_like(current)
    moved[:, :, :2] = current[:, :, :2] @ linear
    back = -np.einsum("nij,nj->ni", linear, change[:, :, 2])
    moved[:, :, 2] = np.einsum("nij,nj->ni", current[:, :, :2], back) + current[:, :, 2]
    return moved
