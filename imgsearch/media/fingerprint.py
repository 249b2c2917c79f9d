"""Two fingerprints: sha256 of the bytes (the same file) and a 64-bit pHash (the same picture to the eye)."""

from __future__ import annotations

import hashlib

import numpy as np
from PIL import Image

from imgsearch.records import UInt8

_SIDE = 32  # the picture is brought to 32 x 32 grey pixels
_LOW = 8  # and its 8 x 8 lowest frequencies, the mean included, make 64 bits


def _cosines() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """DCT-II, unnormalised, lowest frequencies only: float64 [8, 32]; row u is 2 cos(pi u (2x + 1) / 64)."""
    u = np.arange(_LOW)[:, None]
    x = np.arange(_SIDE)[None, :]
    return np.asarray(2.0 * np.cos(np.pi * u * (2 * x + 1) / (2 * _SIDE)))


_COSINES = _cosines()


def content_hash(data: bytes) -> str:
    """sha256 of the bytes, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def perceptual_hash(image: Image.Image) -> int:
    """64-bit pHash of an upright picture, 0 .. 2**64 - 1.

    The definition of imagehash.phash (Krawetz, "Looks Like It"; DCT form of Zauner 2010): grey, 32 x 32 by
    Lanczos, DCT-II, the 8 x 8 lowest frequencies, one bit for each that exceeds their median; row by row, the
    first (the mean) in the highest bit. Coefficients are rounded to 1e-3 first, so that a plain surface, whose
    coefficients are zero but for rounding noise, has the same hash everywhere.
    """
    grey = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    pixels: UInt8 = np.asarray(grey)
    low = np.round(_COSINES @ pixels.astype(np.float64) @ _COSINES.T, 3)  # [8, 8]
    bits = (low > np.median(low)).reshape(-1)  # [64]
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def hamming(first: int, second: int) -> int:
    """Bits in which two hashes differ, 0 .. 64."""
    return (first ^ second).bit_count()
