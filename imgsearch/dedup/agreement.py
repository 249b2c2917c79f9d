"""How much of two pictures agrees once one lies on the other, block by block, and whose the rest is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgsearch.dedup.differences import gradients
from imgsearch.records import Float32

BLOCK = 8
"""Pixels of a block's side, at 128 px for the longer side of a picture."""

_BLAND = 3.0  # deviation of lightness within a block under which it says nothing
_UNLIKE = 0.5  # share of a block's variance that may be left in a block that agrees
_NOISE = 4.0  # lightness that is no difference whatever the block: JPEG of quality 10 leaves up to 3
_OWNER = 2.0  # contrast over the other's that makes a thing one picture's
_BEST = 0.33
_LEAST_DETAIL = 30  # blocks of one picture that tell whether its detail was kept
_KNOTS = 10


@dataclass(frozen=True, slots=True)
class Agreement:
    """Blocks in which either picture has anything to see: how many there are, and of them the share that agrees;
    ``left``: share of their variance that is left in the best third of them.
    ``largest``: greatest difference of a block's mean lightness, 0..255. ``both_ways``: there are things that only the
    first has and things that only the second has, apart from each other, and all else agrees: something moved.
    ``sided``: how much more is left of the lighter than of the darker, or the other way (squares of lightness over
    noise): much under a watermark. ``kept``: as ``share``, of the blocks in which one picture, the better one, has
    anything to see by itself; 0 where these are few. ``directions``: 0 where edges of what agrees all run one way, as
    the bands of a sky do, 1 where they run as much every way."""

    blocks: int
    share: float
    left: float
    largest: float
    both_ways: bool
    sided: float
    kept: float
    directions: float


def compare_blocks(first: Float32, second: Float32, mask: NDArray[np.bool_]) -> Agreement:
    """Lightness [h, w] of two pictures laid over each other; only blocks wholly in ``mask`` count. Each is brought to
    the other, and the better way counts: what one of them clipped can be told from the other, not the other way."""
    inside = _blocks(mask.astype(np.float32)).min(axis=-1) > 0  # [r, c]
    if not inside.any():
        return Agreement(0, 0.0, 1.0, 255.0, False, 0.0, 0.0, 0.0)
    forth = _one_way(first, _mapped(first, second, mask), inside)
    back = _one_way(second, _mapped(second, first, mask), inside)
    return max(forth, back, key=lambda found: (found.share, found.blocks))


def _one_way(target: Float32, brought: Float32, inside: NDArray[np.bool_]) -> Agreement:
    x, y = _blocks(target), _blocks(brought)  # [r, c, 64]
    rest = x - y
    contrast = np.stack([x.std(axis=-1), y.std(axis=-1)])  # [2, r, c]
    seen = inside & (contrast.max(axis=0) > _BLAND)
    mean = np.abs(rest.mean(axis=-1))
    left = (rest**2).mean(axis=-1)
    agrees = left <= np.maximum(_NOISE**2, _UNLIKE * contrast.max(axis=0) ** 2)
    share = float(agrees[seen].mean()) if seen.any() else 0.0
    best = left[seen] / np.maximum(contrast.max(axis=0)[seen] ** 2, 1e-3)
    closeness = float(np.quantile(best, _BEST)) if seen.any() else 1.0
    both_ways = share > 0.6 and _both_ways(inside & ~agrees, contrast)
    detail = [agrees[inside & (own > _BLAND)] for own in contrast]
    kept = max(float(own.mean()) if len(own) >= _LEAST_DETAIL else 0.0 for own in detail)
    largest = float(mean[inside].max())
    directions = _directions(target, seen & agrees)
    return Agreement(int(seen.sum()), share, closeness, largest, both_ways, _sided(rest[inside]), kept, directions)


def _directions(plane: Float32, blocks: NDArray[np.bool_]) -> float:
    """The lesser over the greater eigenvalue of the structure tensor of ``blocks``."""
    across, down = gradients(plane)
    xx, xy, yy = (float(_blocks(product)[blocks].sum()) for product in (across * across, across * down, down * down))
    apart = np.hypot(xx - yy, 2 * xy)
    return float((xx + yy - apart) / max(xx + yy + apart, 1e-9))


def _sided(rest: Float32) -> float:
    over = rest - np.median(rest)
    lighter, darker = (float((np.maximum(side - _NOISE, 0) ** 2).sum()) for side in (over, -over))
    return max(lighter, darker) / (1 + min(lighter, darker))


def _both_ways(differs: NDArray[np.bool_], contrast: Float32) -> bool:
    """Whether one group of differing blocks that touch is the first's and another the second's."""
    owners = set()
    for blob in _blobs(differs):
        rows, columns = zip(*blob, strict=True)
        mine, other = (float(plane[rows, columns].max()) for plane in contrast)
        if max(mine, other) > 2 * _BLAND and max(mine, other) > _OWNER * min(mine, other):
            owners.add(mine > other)
    return len(owners) == 2


def _blobs(marked: NDArray[np.bool_]) -> list[list[tuple[int, int]]]:
    """Groups of marked cells that touch, corners included."""
    waiting = {(int(row), int(column)) for row, column in np.argwhere(marked)}
    blobs = []
    while waiting:
        blob, edge = [], [waiting.pop()]
        while edge:
            row, column = edge.pop()
            blob.append((row, column))
            beside = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & waiting
            waiting -= beside
            edge.extend(beside)
        blobs.append(blob)
    return blobs


def _mapped(first: Float32, second: Float32, mask: NDArray[np.bool_]) -> Float32:
    """The second's lightness through the curve that brings most of it to the first's: least squares, twice, the second
    time without the tenth that fits worst."""
    low, high = float(second[mask].min()), float(second[mask].max())
    level = ((second - low) / max(high - low, 1.0) * (_KNOTS - 1)).clip(0, _KNOTS - 1)
    design = np.maximum(0, 1 - np.abs(level[..., None] - np.arange(_KNOTS, dtype=np.float32)))  # [h, w, knots]
    bend = np.diff(np.eye(_KNOTS), 2, axis=0)
    kept = mask
    mapped = second
    for _ in range(2):
        line = _line(second[kept], first[kept])
        straight = line[0] * second + line[1]
        columns, target = design[kept], (first - straight)[kept]
        ridge = (1e-3 * bend.T @ bend + 1e-4 * np.eye(_KNOTS)) * len(target)
        weights = np.linalg.solve(columns.T @ columns + ridge, columns.T @ target)
        mapped = np.asarray(straight + design @ weights, np.float32)
        rest = np.abs(first - mapped)
        kept = mask & (rest <= max(_NOISE, float(np.quantile(rest[mask], 0.9))))
    return mapped


def _line(values: Float32, target: Float32) -> tuple[float, float]:
    """(gain, offset) that bring ``values`` to ``target``."""
    mean, wanted = float(values.mean()), float(target.mean())
    gain = float(((values - mean) * (target - wanted)).sum() / max(float(((values - mean) ** 2).sum()), 1e-3))
    return gain, wanted - gain * mean


def _blocks(plane: Float32) -> Float32:
    """[h, w] -> [h // 8, w // 8, 64]; what does not fill a block is left out."""
    rows, columns = plane.shape[0] // BLOCK, plane.shape[1] // BLOCK
    cut = plane[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    return cut.swapaxes(1, 2).reshape(rows, columns, BLOCK * BLOCK)
