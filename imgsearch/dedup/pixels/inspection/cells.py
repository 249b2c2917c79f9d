"""Tells of which of two pictures a third is a copy, by the mean lightness of their parts.

Compression and another size change the means of parts hardly at all, and in a way that does not depend on what tells
the two pictures apart: the noise of the sensor, a word that is too small to be read in the third, the light.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from imgsearch.records import Float32

NEARER_TO_ANOTHER = "another shot: it is a copy of one that is nearer to it"
COPY_OF_EITHER = "nothing tells of which of two pictures it is a copy"

_MOST_CELLS, _LEAST_CELLS = 256, 8  # a side
_PIXELS = 2  # of the smallest picture's side in a cell
_LEAST_MARGIN, _ERRORS = 0.15, 4.0


def cells_for(size: tuple[int, int]) -> tuple[int, int]:
    """The number of cells across and down at which pictures are compared, the smallest of which has this size."""
    across, down = (max(_LEAST_CELLS, min(_MOST_CELLS, side // _PIXELS)) for side in size)
    return across, down


def cell_means(image: Image.Image, cells: tuple[int, int]) -> Float32:
    """The mean lightness of each cell: float32 [down, across], 0..255. 60 ms for 12 megapixels."""
    return np.asarray(image.convert("L").convert("F").resize(cells, Image.Resampling.BOX), np.float32)


def belongs_to(copy: Float32, one: Float32, other: Float32) -> int:
    """1 if ``copy`` is a copy of ``one``, 2 if of ``other``, 0 if that cannot be told. All three are `cell_means`.

    Asked twice: as they are, since two that differ in brightness or contrast alone are told by it, and with the copy's
    brightness and contrast made those of the two, since a copy may have others. Two answers have to agree."""
    toned = _toned(copy, np.asarray(one + other, np.float32) / np.float32(2))
    told = {_nearer(copy - other, one - other), _nearer(_even(toned - other), _even(one - other))} - {0}
    return told.pop() if len(told) == 1 else 0


def _nearer(away: Float32, apart: Float32) -> int:
    """``away``, ``apart``: of the copy, and of one picture, from the other. The place of the copy on the way from the
    other to the one is 1 for a copy of the one, 0 for one of the other, and between them if what tells the two apart is
    lost; its error follows from what is left over."""
    energy = float((apart * apart).sum())
    if energy <= 0:
        return 0
    place = float((away * apart).sum()) / energy
    left = away - np.float32(place) * apart
    error = float(np.sqrt((left * left).mean() / energy))
    margin = max(_LEAST_MARGIN, _ERRORS * error)
    return 1 if place > 0.5 + margin else 2 if place < 0.5 - margin else 0


def _toned(copy: Float32, wanted: Float32) -> Float32:
    """With the contrast and brightness of another."""
    around = copy - copy.mean()
    spread = float((around * around).sum())
    gain = float((around * (wanted - wanted.mean())).sum()) / spread if spread > 0 else 1.0
    return np.asarray(around * np.float32(gain) + wanted.mean(), np.float32)


def _even(difference: Float32) -> Float32:
    return np.asarray(difference - difference.mean(), np.float32)
