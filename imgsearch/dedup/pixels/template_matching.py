"""Finds where one image shows another: orientation, place, scale, small rotation, and how much of it agrees.

Starts from windows of the signatures (`registration.starts`), then fits an affine map by Gauss-Newton, coarse to fine
(`registration.affine`), then compares blocks and classifies the differences (`registration.verdict`).
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from imgsearch.dedup.pixels.registration.planes import small_planes
from imgsearch.dedup.pixels.registration.register import Alignment, register
from imgsearch.dedup.pixels.registration.starts import find_starts
from imgsearch.media.signature import image_signature
from imgsearch.records import UInt8

__all__ = ["Alignment", "align"]


def align(first: Image.Image, second: Image.Image) -> Alignment:
    """Find how two upright images overlap and compare the overlap. Within 256 px is enough. 15 ms; for many pairs of a
    library `pair_verification.PairLooks` costs less."""
    starts = find_starts(_signature(first), _signature(second))
    return next(register(small_planes(first)[None], small_planes(second)[None], starts))


def _signature(image: Image.Image) -> UInt8:
    return np.frombuffer(image_signature(image), np.uint8)[None]
