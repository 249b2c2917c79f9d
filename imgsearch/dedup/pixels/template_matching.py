"""Where one picture shows another: turn, place, scale, small rotation, and how much of it agrees.

Starts from windows of the signatures (`registration.starts`), then an affine map by Gauss-Newton, coarse to fine
(`registration.affine`), then blocks are compared and what differs is told apart (`registration.verdict`).
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from imgsearch.dedup.pixels.registration.planes import small_planes
from imgsearch.dedup.pixels.registration.register import Alignment, register
from imgsearch.dedup.pixels.registration.starts import find_starts
from imgsearch.media.signature import picture_signature
from imgsearch.records import UInt8

__all__ = ["Alignment", "align"]


def align(first: Image.Image, second: Image.Image) -> Alignment:
    """Find how two upright pictures overlap and compare what both show. Within 256 px is enough. 15 ms; many pairs of a
    library cost less by `looking.PairLooks`."""
    starts = find_starts(_signature(first), _signature(second))
    return next(register(small_planes(first)[None], small_planes(second)[None], starts))


def _signature(image: Image.Image) -> UInt8:
    return np.frombuffer(picture_signature(image), np.uint8)[None]
