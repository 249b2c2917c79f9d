"""How alike unrelated pictures of this library are, and from which likeness on two are hardly so by chance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from imgsearch.records import Float32, Int64
from imgsearch.storage.view import View

SAMPLED = 2048
"""Pictures whose likeness to each other is measured: two million pairs."""

_TAIL = (0.9, 0.98)
"""Quantiles that the law is fitted to. Above the second a library of copies has its copies: among 100 pictures with 12
copies each, one pair in a hundred is one."""

_FEW = 50  # pictures of which no law is made
_NORMAL = NormalDist()
_ROW_TAIL = (0.75, 0.95)
_EDGE = 1 - 1e-6


@dataclass(frozen=True, slots=True)
class SimilarityBackground:
    """Likeness (-1..1) of pairs of unrelated pictures. Its inverse hyperbolic tangent is taken as normal (Fisher 1915,
    for correlations) with this ``mean`` and ``deviation``, fitted to the tail."""

    mean: float
    deviation: float

    def chance(self, likeness: float) -> float:
        """Share of unrelated pairs that are as alike as this or more."""
        return _NORMAL.cdf((self.mean - math.atanh(min(_EDGE, max(-_EDGE, likeness)))) / self.deviation)

    def threshold(self, chance: float) -> float:
        """Likeness that unrelated pairs reach with this chance, 0..1: with ``expected / pairs`` as the chance, so many
        false pairs are expected of so many."""
        return math.tanh(self.mean - self.deviation * _NORMAL.inv_cdf(min(1 - 1e-12, max(1e-300, chance))))


NO_BACKGROUND = SimilarityBackground(math.atanh(0.8), 0.15)
"""Of a library of fewer than 50 pictures, where there is nothing to measure: 0.93 with a chance of one in 10,000."""


def background(view: View, seed: int = 0, slots: Int64 | None = None) -> SimilarityBackground:
    """Measured on `SAMPLED` pictures drawn from the library, or on ``slots`` that are known to be unrelated. 2 s and
    150 MB; few pictures: all of them."""
    if slots is None:
        rng = np.random.default_rng(seed)
        slots = rng.choice(view.live_slots, min(SAMPLED, view.count), replace=False)
    if len(slots) < _FEW:
        return NO_BACKGROUND
    flat = view.read(np.sort(slots)).reshape(len(slots), -1)
    alike = (flat @ flat.T) / view.query_tokens  # mean over tokens of inner products, [n, n]
    return fit_background(alike[np.triu_indices(len(slots), 1)].astype(np.float32))


def fit_background(likeness: Float32) -> SimilarityBackground:
    """From the likeness float32 [p] of pairs drawn at random, of which up to one in fifty may be copies."""
    z = np.arctanh(np.clip(np.quantile(likeness, _TAIL), -_EDGE, _EDGE))
    near, far = (_NORMAL.inv_cdf(share) for share in _TAIL)
    deviation = max(float(z[1] - z[0]) / (far - near), 1e-3)
    return SimilarityBackground(float(z[0]) - near * deviation, deviation)


def thresholds(likeness: Float32, chance: float) -> Float32:
    """`SimilarityBackground.threshold` of each row by itself: float32 [n] from the likeness [n, s] of each picture with
    s unrelated ones. A picture of a common kind needs more than a rare one. Fitted to lower quantiles than a whole
    library's, since s is a few hundred."""
    z = np.arctanh(np.clip(np.quantile(likeness, _ROW_TAIL, axis=1), -_EDGE, _EDGE))
    near, far = (_NORMAL.inv_cdf(share) for share in _ROW_TAIL)
    deviation = np.maximum((z[1] - z[0]) / (far - near), 0.02)
    mean = z[0] - near * deviation
    return np.asarray(np.tanh(mean - deviation * _NORMAL.inv_cdf(min(0.5, max(1e-300, chance)))), np.float32)
