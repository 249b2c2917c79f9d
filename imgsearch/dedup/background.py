"""How alike unrelated pictures of this library are, and from which likeness on two are hardly so by chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from imgsearch.records import Float32, Float64
from imgsearch.storage.view import View

SAMPLED = 2048
"""Pictures whose likeness to each other is measured: two million pairs."""

_TAIL = 0.02  # of the pairs, the most alike, that the tail is fitted to


@dataclass(frozen=True, slots=True)
class Background:
    """Likeness (-1..1) of pairs of unrelated pictures: ``level`` is exceeded by ``share`` of them, and excesses
    above it follow a generalised Pareto law of ``scale`` and ``shape`` (Pickands 1975; fitted by probability-weighted
    moments, Hosking and Wallis 1987)."""

    level: float
    share: float
    scale: float
    shape: float

    def chance(self, likeness: float) -> float:
        """Share of unrelated pairs that are as alike as this or more; at most ``share``."""
        excess = max(0.0, likeness - self.level) / self.scale
        if abs(self.shape) < 1e-6:
            return self.share * math.exp(-excess)
        base = 1 + self.shape * excess
        return 0.0 if base <= 0 else float(self.share * base ** (-1 / self.shape))

    def threshold(self, chance: float) -> float:
        """Likeness that unrelated pairs reach with this chance, at most 1: with ``expected / pairs`` as the chance so
        many false pairs are expected of so many."""
        ratio = min(1.0, chance / self.share)
        if ratio <= 0:
            return 1.0
        excess = -math.log(ratio) if abs(self.shape) < 1e-6 else (ratio**-self.shape - 1) / self.shape
        return min(1.0, self.level + self.scale * excess)


NO_BACKGROUND = Background(1.0, 1.0, 1e-6, 0.0)
"""Of a library of fewer than 50 pictures: nothing is alike by chance, so only near-identity counts."""


def background(view: View, seed: int = 0) -> Background:
    """Measured on `SAMPLED` pictures drawn from the library. 2 s and 150 MB; few pictures: all of them."""
    rng = np.random.default_rng(seed)
    count = min(SAMPLED, view.count)
    if count < 50:
        return NO_BACKGROUND
    slots = np.sort(rng.choice(view.live_slots, count, replace=False))
    flat = view.read(slots).reshape(count, -1)
    alike = (flat @ flat.T) / view.query_tokens  # mean over tokens of inner products, [n, n]
    return fit_background(alike[np.triu_indices(count, 1)].astype(np.float32))


def fit_background(likeness: Float32) -> Background:
    """From the likeness float32 [p] of pairs drawn at random. Of a library of copies some of the pairs are copies; what
    lies farther over the 99.9 % point than this lies over the median is left out as such."""
    ordered = np.sort(likeness.astype(np.float64))
    high, middle = np.quantile(ordered, [0.999, 0.5])
    ordered = ordered[ordered <= high + (high - middle)]
    tail = max(20, int(_TAIL * len(ordered)))
    level = float(ordered[-tail - 1])
    excess = ordered[-tail:] - level
    scale, shape = _pareto(excess)
    return Background(level, tail / len(ordered), scale, shape)


def _pareto(excess: Float64) -> tuple[float, float]:
    """(scale, shape) by probability-weighted moments; ``excess`` ascends. The shape is kept from -0.5 to 0.2: likeness
    has an end, so a heavy tail is a sampling error."""
    n = len(excess)
    plain = float(excess.mean())
    weighted = float((excess * (n - np.arange(1, n + 1)) / max(1, n - 1)).mean())  # of rank from the top
    ratio = plain / max(plain - 2 * weighted, 1e-12)
    shape = min(0.2, max(-0.5, 2 - ratio))
    return max(plain * (1 - shape), 1e-6), shape
