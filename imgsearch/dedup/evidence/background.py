"""The similarity of unrelated images of this library, and the similarity beyond which chance is unlikely."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from imgsearch.records import Float32, Int64
from imgsearch.storage.view import View

SAMPLED = 2048
"""Images whose similarity to each other is measured: two million pairs."""

_TAIL = (0.9, 0.98)
"""Quantiles to which the law is fitted. Beyond the second a library of copies has its copies: among 100 images with 12
copies each, one pair in a hundred is a pair of copies."""

_FEW = 50  # fewer images give no law
_NORMAL = NormalDist()
_ROW_TAIL = (0.75, 0.95)
_EDGE = 1 - 1e-6


@dataclass(frozen=True, slots=True)
class SimilarityBackground:
    """Similarity (-1..1) of pairs of unrelated images. Its inverse hyperbolic tangent is taken as normal (Fisher 1915,
    for correlations) with this ``mean`` and ``deviation``, fitted to the tail."""

    mean: float
    deviation: float

    def chance(self, similarity: float) -> float:
        """Share of unrelated pairs that are at least as similar as this."""
        return _NORMAL.cdf((self.mean - math.atanh(min(_EDGE, max(-_EDGE, similarity)))) / self.deviation)

    def threshold(self, chance: float) -> float:
        """The similarity that unrelated pairs reach with this chance, 0..1; ``expected / pairs`` as the chance gives
        ``expected`` false pairs among ``pairs``."""
        return math.tanh(self.mean - self.deviation * _NORMAL.inv_cdf(min(1 - 1e-12, max(1e-300, chance))))


NO_BACKGROUND = SimilarityBackground(math.atanh(0.8), 0.15)
"""For a library of fewer than 50 images, with nothing to measure: 0.93 with a chance of one in 10,000."""


def background(view: View, seed: int = 0, slots: Int64 | None = None) -> SimilarityBackground:
    """Measured on `SAMPLED` images drawn from the library, or on ``slots`` known to be unrelated. 2 s and 150 MB; a
    small library is measured whole."""
    if slots is None:
        rng = np.random.default_rng(seed)
        slots = rng.choice(view.live_slots, min(SAMPLED, view.count), replace=False)
    if len(slots) < _FEW:
        return NO_BACKGROUND
    flat = view.read(np.sort(slots)).reshape(len(slots), -1)
    alike = (flat @ flat.T) / view.query_tokens  # mean over tokens of inner products, [n, n]
    return fit_background(alike[np.triu_indices(len(slots), 1)].astype(np.float32))


def fit_background(similarity: Float32) -> SimilarityBackground:
    """From the similarity float32 [p] of pairs drawn at random; up to one in fifty may be copies."""
    z = np.arctanh(np.clip(np.quantile(similarity, _TAIL), -_EDGE, _EDGE))
    near, far = (_NORMAL.inv_cdf(share) for share in _TAIL)
    deviation = max(float(z[1] - z[0]) / (far - near), 1e-3)
    return SimilarityBackground(float(z[0]) - near * deviation, deviation)


def thresholds(similarity: Float32, chance: float) -> Float32:
    """`SimilarityBackground.threshold` of each row by itself: float32 [n] from the similarity [n, s] of each image to
    s unrelated ones. An image of a common kind needs more than a rare one. Fitted to lower quantiles than a whole
    library's, since s is a few hundred."""
    z = np.arctanh(np.clip(np.quantile(similarity, _ROW_TAIL, axis=1), -_EDGE, _EDGE))
    near, far = (_NORMAL.inv_cdf(share) for share in _ROW_TAIL)
    deviation = np.maximum((z[1] - z[0]) / (far - near), 0.02)
    mean = z[0] - near * deviation
    return np.asarray(np.tanh(mean - deviation * _NORMAL.inv_cdf(min(0.5, max(1e-300, chance)))), np.float32)
