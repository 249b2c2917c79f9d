"""Two fingerprints: sha256 of the bytes (the same file) and a 64-bit pHash (the same image to the eye)."""

from __future__ import annotations

import hashlib

import numpy as np
from PIL import Image

from imgsearch.records import Float64, UInt8

GREY_SIDE = 32
"""The pHash is computed from 32 x 32 grey pixels."""

_LOW = 8  # the 8 x 8 lowest frequencies, including the mean, make 64 bits


def _cosines() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Unnormalised DCT-II, lowest frequencies only: float64 [8, 32]. Row u is 2 cos(pi u (2x + 1) / 64)."""
    u = np.arange(_LOW)[:, None]
    x = np.arange(GREY_SIDE)[None, :]
    return np.asarray(2.0 * np.cos(np.pi * u * (2 * x + 1) / (2 * GREY_SIDE)))


_COSINES = _cosines()


def content_hash(data: bytes) -> str:
    """sha256 of the bytes, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def perceptual_hash(image: Image.Image) -> int:
    """64-bit pHash of an upright image, 0 .. 2**64 - 1.

    This is imagehash.phash (Krawetz, "Looks Like It"; DCT form of Zauner 2010): grey, 32 x 32 by Lanczos, DCT-II, the 8
    x 8 lowest frequencies, and one bit for each that exceeds their median. Bits are in row order; the first, that of
    the mean, is the highest. Coefficients are first rounded to 1e-3, so that a plain surface, whose coefficients are
    only rounding noise, has the same hash on every machine.
    """
    return hash_grey(small_grey(image))


def small_grey(image: Image.Image) -> UInt8:
    """The grey image that the pHash is computed from: uint8 [32, 32]."""
    return np.asarray(image.convert("L").resize((GREY_SIDE, GREY_SIDE), Image.Resampling.LANCZOS))


def hash_grey(grey: UInt8) -> int:
    """`perceptual_hash` of the output of `small_grey`, uint8 [32, 32]."""
    bits = hash_bits(low_frequencies(grey[None]))[0]
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def low_frequencies(grey: UInt8) -> Float64:
    """The 8 x 8 lowest frequencies of uint8 [n, 32, 32], vertical first: float64 [n, 8, 8], rounded to 1e-3. 3 us an
    image."""
    return np.asarray(np.round(_COSINES @ grey.astype(np.float64) @ _COSINES.T, 3))


def hash_bits(low: Float64) -> UInt8:
    """One bit for each frequency that exceeds their median, row by row: float64 [n, 8, 8] -> uint8 [n, 64]."""
    flat = low.reshape(len(low), _LOW * _LOW)
    half = _LOW * _LOW // 2
    middle = np.partition(flat, (half - 1, half), axis=1)[:, half - 1 : half + 1]  # as np.median, without its checks
    return np.asarray(flat > (middle[:, :1] + middle[:, 1:]) / 2).view(np.uint8)


def hamming(first: int, second: int) -> int:
    """The number of bits in which two hashes differ, 0 .. 64."""
    return (first ^ second).bit_count()
