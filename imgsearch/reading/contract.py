"""What reads lines of text out of pixels, and the records that it speaks in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from imgsearch.records import Float32, UInt8

Points = NDArray[np.float64]
"""[4, 2]: the corners x, y of a turned rectangle in pixels, clockwise."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """What stands in one box. ``points`` begin where the text does, on its upper side. ``centres`` float64 [n]: of each
    of the n letters, spaces included, how far along the line it stands, 0 to 1; ``confidences`` [n]."""

    text: str
    points: Points
    confidence: float
    centres: Sequence[float]
    confidences: Sequence[float]


class TextEngine(Protocol):
    """Models that find and read text. ``fingerprint`` changes with everything that decides what they read."""

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    def heat(self, pixels: UInt8) -> Float32:
        """How likely each part of a picture, uint8 [h, w, 3] BGR, belongs to text: float32 [h / 32 * 32 and the same
        for w, rounded], 0 to 1."""
        ...

    def boxes(self, heat: Float32, height: int, width: int) -> list[Points]:
        """The lines of text that the heat shows, in pixels of a picture of that size."""
        ...

    def recognise(self, pixels: UInt8, boxes: Sequence[Points]) -> list[Recognised]:
        """What stands in each box of a picture uint8 [h, w, 3] BGR; boxes without a legible text are left out."""
        ...
