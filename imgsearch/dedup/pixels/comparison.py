"""Decides whether two images are copies of each other, by the largest local difference and not by the mean.

A copy that was compressed again or resized differs a little everywhere; the next frame of a fixed camera is the same
everywhere but in one place. Signatures (32 x 32) are compared first: they cost nothing to read and rule out most pairs.
Things smaller than one of their cells show only in the images, so `inspection` decides last.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgsearch.dedup.pixels.photometric_residual import PhotometricResidual, compare_colour, compare_lightness
from imgsearch.media.signature import ORIENTATIONS, chroma_of, luma_of, oriented
from imgsearch.records import Float32, UInt8
from imgsearch.settings import available_cores

HASH_RADIUS = 10
"""Hamming distance of the pHashes, at the best orientation, within which copies are looked for. For copies that are
acted on (resized, compressed, slightly recoloured, turned) of 40 photographs and 30 drawn scenes all 44 kinds lie
within 8; for 20 belt frames, which have little contrast, 80 % of JPEG quality 10 and 95-100 % of the others lie within
10."""

SIGNATURE_PEAK = 1.6
"""`PhotometricResidual.peak` that a copy's signature may have. 99 % of 6,000 pairs of copies have less than 1.5."""

_LEAST_EXPLAINED = 0.985  # share of variance; 99 % of the pairs of copies have 0.991
_GAIN = 2.5
_COLOUR = 13.0
"""Largest rest of colour: 99.5 % of 2,237 pairs of copies have less. Of 2,416 pairs of drawn scenes in which one thing
has another colour, or two have exchanged theirs, 3 pass for copies (199 if any linear map is allowed)."""

_COLOUR_MEAN = 6.0
_EARLY = 0.7  # of a limit: if a straight line of lightness leaves less, no better fit is needed
_CHUNK = 128  # pairs at a time: their planes stay near the cache
_MOST_THREADS = 4

_Compared = tuple[Float32, Float32, NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """n pairs compared. ``difference`` float32 [n], 0..1: the largest local difference of lightness once lightness is
    mapped; ``score`` float32 [n], 0..1, over 0.5 exactly if ``is_copy`` bool [n]."""

    difference: Float32
    score: Float32
    is_copy: NDArray[np.bool_]


def compare_signatures(first: UInt8, second: UInt8, orientations: UInt8) -> Comparison:
    """Compare signatures uint8 [n, 1536] pair by pair; ``orientations`` uint8 [n]: the EXIF one (1-8) that makes
    the second look like the first. ``is_copy`` here means that nothing in the signatures speaks against a copy.
    Raises ValueError if shapes disagree. 0.4 ms a pair, 80 MB at most."""
    if first.shape != second.shape or np.shape(orientations) != first.shape[:1]:
        raise ValueError(
            f"got {first.shape}, {second.shape} and {np.shape(orientations)}, expected two [n, 1536] and [n]"
        )
    orientations = np.asarray(orientations)
    starts = range(0, len(first), _CHUNK)
    blocks = [(first[at : at + _CHUNK], second[at : at + _CHUNK], orientations[at : at + _CHUNK]) for at in starts]
    parts = _on_all_cores(blocks) if len(blocks) > 2 else [_compare_block(*block) for block in blocks]
    if not parts:
        return Comparison(np.empty(0, np.float32), np.empty(0, np.float32), np.empty(0, np.bool_))
    difference, score, is_copy = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Comparison(difference, score, is_copy)


def _on_all_cores(blocks: Sequence[tuple[UInt8, UInt8, UInt8]]) -> list[_Compared]:
    """`_compare_block` of each, in threads, which numpy runs side by side. Ctrl-C waits for running ones, 40 ms."""
    threads = ThreadPoolExecutor(min(available_cores(), _MOST_THREADS))
    try:
        return list(threads.map(lambda block: _compare_block(*block), blocks))
    finally:
        threads.shutdown(cancel_futures=True)


def _compare_block(first: UInt8, second: UInt8, orientations: UInt8) -> _Compared:
    x, y = luma_of(first).astype(np.float32), luma_of(second).astype(np.float32)
    x_colour, y_colour = chroma_of(first).astype(np.float32), chroma_of(second).astype(np.float32)
    for orientation in ORIENTATIONS[1:]:
        those = np.flatnonzero(orientations == orientation)
        if len(those):
            y[those], y_colour[those] = (
                oriented(luma_of(second)[those], orientation),
                oriented(chroma_of(second)[those], orientation),
            )
    rest = compare_lightness(x, y, _EARLY * SIGNATURE_PEAK)
    colour = compare_colour(_with_lightness(x, x_colour), _with_lightness(y, y_colour))
    return _decide(rest, colour, SIGNATURE_PEAK)


def _with_lightness(luma: Float32, colour: Float32) -> Float32:
    """YCbCr [n, 3, 16, 16] from lightness [n, 32, 32] and colour [n, 2, 16, 16]."""
    n = len(luma)
    small = luma.reshape(n, 16, 2, 16, 2).mean(axis=(2, 4))
    return np.concatenate([small[:, None], colour], axis=1)


def _decide(rest: PhotometricResidual, colour: tuple[Float32, Float32], limit: float) -> _Compared:
    """(difference [n], score [n], is_copy [n]). The score is 0.5 at a limit; the worst measure counts."""
    worst = np.maximum.reduce(
        [
            rest.peak / limit,
            (1 - rest.explained) / (1 - _LEAST_EXPLAINED),
            np.abs(np.log(np.maximum(rest.gain, 1e-6))) / np.log(_GAIN),
            colour[0] / _COLOUR,
            colour[1] / _COLOUR_MEAN,
        ]
    )
    score = (1 / (1 + worst.astype(np.float32) ** 3)).astype(np.float32)
    return (rest.largest / 255).astype(np.float32), score, worst < 1
