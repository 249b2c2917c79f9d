"""How well a model finds pictures by captions and captions by pictures, before and after, and whether a difference is
more than chance.

Confidence intervals come from the bootstrap over pictures (Efron 1979), paired: before and after are drawn alike. Of
few pictures that changed the bootstrap is too sure (4 of 10 that got better and none that got worse would count), so a
sign test has to agree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from imgsearch.evaluation.retrieval import EvaluationModel, ScoreMatrices, score_matrices
from imgsearch.records import Float32, Float64, Int64

AT = (1, 5, 10)
DRAWS = 4000
"""Bootstrap samples: the ends of an interval then vary by about a thirtieth of its width."""

COVERAGE = 0.95
SURE = 1 - COVERAGE
Way = Literal["text to image", "image to text"]
WAYS: tuple[Way, ...] = ("text to image", "image to text")
Verdict = Literal["better", "worse", "no certain difference"]


@dataclass(frozen=True, slots=True)
class Ranks:
    """Places of the first true answer, from 0, of Q captions and of I pictures: by ITC, and with ITM re-ranking the
    best. ``first`` int64 [Q]: the picture that came first for each caption."""

    texts: Int64
    images: Int64
    itc_texts: Int64
    itc_images: Int64
    first: Int64

    def of(self, way: Way, score: str = "itm") -> Int64:
        """Those of one direction; ``score``: "itm" or "itc"."""
        if way == "text to image":
            return self.texts if score == "itm" else self.itc_texts
        return self.images if score == "itm" else self.itc_images


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure before and after, in percent, and the interval of the change in points."""

    way: Way
    score: str  # "itm": re-ranked, as a search answers; "itc": the first search alone
    at: int
    before: float
    after: float
    low: float
    high: float
    improved: int  # pictures
    worsened: int

    @property
    def change(self) -> float:
        """After less before, in points."""
        return self.after - self.before

    @property
    def verdict(self) -> Verdict:
        """Whether chance alone would explain the change: nothing is better or worse whose interval holds 0."""
        if sign_test(self.improved, self.worsened) > SURE:
            return "no certain difference"
        return "better" if self.low > 0 else "worse" if self.high < 0 else "no certain difference"


def first_true(scores: Float32, truth: NDArray[np.bool_]) -> Int64:
    """How many untrue columns score no lower than the best true one, by row: its place from 0. Both [A, B]; every row
    has a true column. A tie counts as lost."""
    best = np.where(truth, scores, -np.inf).max(axis=1, keepdims=True)
    return np.asarray(((scores >= best) & ~truth).sum(axis=1), np.int64)


def measure(
    model: EvaluationModel, features: Any, texts: Sequence[str], truth: NDArray[np.bool_], *, depth: int = 16
) -> Ranks:
    """Ranks of a model over ``features`` [I, N, W] and ``texts`` [Q]; ``truth`` bool [I, Q]. ``depth``: how many of the
    best by ITC are re-ranked, both ways. Cost: depth * (I + Q) matched pairs."""
    scores = score_matrices(model, features, texts, k_test=depth)
    return ranks_of(scores, truth)


def ranks_of(scores: ScoreMatrices, truth: NDArray[np.bool_]) -> Ranks:
    """The ranks in matrices of scores."""
    return Ranks(
        first_true(scores.score_t2i, truth.T),
        first_true(scores.score_i2t, truth),
        first_true(np.ascontiguousarray(scores.itc.T), truth.T),
        first_true(scores.itc, truth),
        np.asarray(scores.score_t2i.argmax(axis=1), np.int64),
    )


def compare(before: Ranks, after: Ranks, owners: Int64, seed: int = 0) -> list[Difference]:
    """Every figure of two measurements of the same captions and pictures. ``owners`` int64 [Q]: each caption's picture;
    pictures are drawn with all their captions."""
    count = len(before.images)
    weights = _draws(count, seed)
    found = []
    for score in ("itm", "itc"):
        for way in WAYS:
            units = owners if way == "text to image" else np.arange(count)
            for k in AT:
                old, new = (_hits(units, ranks.of(way, score) < k, count) for ranks in (before, after))
                sizes = np.bincount(units, minlength=count).astype(np.float64)
                found.append(_difference(way, score, k, (old, new, sizes), weights))
    return found


def sign_test(improved: int, worsened: int) -> float:
    """The two-sided probability that chance alone splits so many changes so unevenly or more so."""
    total, least = improved + worsened, min(improved, worsened)
    tail = sum(math.comb(total, number) for number in range(least + 1))
    return min(1.0, float(2 * tail / 2**total))


def _difference(way: Way, score: str, k: int, hits: tuple[Float64, Float64, Float64], weights: Float64) -> Difference:
    old, new, sizes = hits
    drawn = (weights @ (new - old)) / np.maximum(weights @ sizes, 1.0)
    low, high = np.quantile(drawn, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    whole = 100 / sizes.sum()
    return Difference(
        way,
        score,
        k,
        float(old.sum() * whole),
        float(new.sum() * whole),
        100 * float(low),
        100 * float(high),
        int((new > old).sum()),
        int((new < old).sum()),
    )


def _hits(units: Int64, right: NDArray[np.bool_], count: int) -> Float64:
    """How many of each picture's questions are right."""
    return np.asarray(np.bincount(units, right, count), np.float64)


def _draws(count: int, seed: int) -> Float64:
    """How often each of ``count`` pictures is drawn: [DRAWS, count]."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(count, np.full(count, 1 / count), DRAWS).astype(np.float64)
