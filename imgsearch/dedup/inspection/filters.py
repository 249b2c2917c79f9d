"""Small filters on float32 planes, in place where they can be: what the look at full size spends its time on."""

from __future__ import annotations

import numpy as np

from imgsearch.records import Float32


def smooth(plane: Float32) -> Float32:
    """[h, w] through the binomial [1 2 1] / 4 both ways, edges repeated. 2 ns a pixel."""
    return _three(_three(plane, 2).T, 2).T * np.float32(1 / 16)


def boxed(plane: Float32) -> Float32:
    """Means over 3 x 3 pixels, edges repeated."""
    return _three(_three(plane, 1).T, 1).T * np.float32(1 / 9)


def slopes(plane: Float32) -> tuple[Float32, Float32]:
    """Central differences across and down of [h, w], one-sided at the edges."""
    across, down = np.empty_like(plane), np.empty_like(plane)
    np.subtract(plane[:, 2:], plane[:, :-2], out=across[:, 1:-1])
    across[:, 1:-1] *= np.float32(0.5)
    np.subtract(plane[:, 1], plane[:, 0], out=across[:, 0])
    np.subtract(plane[:, -1], plane[:, -2], out=across[:, -1])
    np.subtract(plane[2:], plane[:-2], out=down[1:-1])
    down[1:-1] *= np.float32(0.5)
    np.subtract(plane[1], plane[0], out=down[0])
    np.subtract(plane[-1], plane[-2], out=down[-1])
    return across, down


def steepness(plane: Float32) -> Float32:
    """The length of the gradient."""
    across, down = slopes(plane)
    across *= across
    down *= down
    across += down
    return np.sqrt(across, out=across)


def halved(plane: Float32) -> Float32:
    """Means over 2 x 2 pixels; an odd last row or column is left out."""
    rows, columns = plane.shape[0] // 2 * 2, plane.shape[1] // 2 * 2
    pairs = plane[:rows:2, :columns] + plane[1:rows:2, :columns]
    return np.asarray((pairs[:, ::2] + pairs[:, 1::2]) * np.float32(0.25), np.float32)


def _three(plane: Float32, middle: int) -> Float32:
    """Sums over three pixels across, the middle one counted ``middle`` times, the edges repeated."""
    found = plane * np.float32(middle)
    found[:, 1:] += plane[:, :-1]
    found[:, 0] += plane[:, 0]
    found[:, :-1] += plane[:, 1:]
    found[:, -1] += plane[:, -1]
    return found
