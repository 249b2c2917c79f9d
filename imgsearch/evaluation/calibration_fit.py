"""Fitting a calibration: with labels, where it is known which pictures a text is true of, or without, to a library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from imgsearch.errors import UsageError
from imgsearch.records import Float64
from imgsearch.search.calibration import NEVER_Z, Calibration, ScoredCandidate

FALSE_ACCEPTS = 0.05
"""Share of queries with no match that may give a confident hit."""

_RIDGE = 1.0  # of standardised weights; the parts' scores are much alike
# Of wrong pictures where others are right. Scenes of seeds 23 to 26, each with the rule of the next: true ones kept at
# 5 % false accepts of absent objects and of absent pairs, and how many of the confident pictures of the other queries
# are right ones: at 1 77.8, 82.9, 83.0 %; at 0.1 81.3, 83.7, 73.8; at 0 81.1, 83.7, 69.1.
_NEAR_MISS = 0.1
_TAIL_PRECISION = 0.9  # of candidates with a z from least_z on, the share that the rule must call confident
_LEAST_TAIL = 20  # candidates, below which that share says nothing
_LEAST_PROBES = 50
# Two parts of a mixture closer than this many of both deviations are taken for one. With equal deviations this is D = 5
# of Ashman, Bird and Zepf (1994), who ask for 2: a skewed single part, as the small model gives, reached 2.7.
_APART = 2.5


@dataclass(frozen=True, slots=True)
class Labelled:
    """A query's evidence, and the ids of the pictures that it is true of."""

    evidence: Sequence[ScoredCandidate]
    true: frozenset[int]


def fit_labelled(queries: Sequence[Labelled], *, false_accepts: float = FALSE_ACCEPTS, source: str = "") -> Calibration:
    """Weights by logistic regression over the candidates; the bias so that ``false_accepts`` of the queries that are
    true of no picture have a confident hit. A wrong picture counts little where the library holds a right one: often
    it shows all but one of the things that were asked for.

    Raises UsageError with fewer than 50 of the queries that are true of no picture, or of the others."""
    absent = [query for query in queries if not query.true and query.evidence]
    present = [query for query in queries if query.true and query.evidence]
    if min(len(absent), len(present)) < _LEAST_PROBES:
        raise UsageError(
            f"got {len(present)} queries with a match and {len(absent)} without, expected {_LEAST_PROBES} of each",
            "give more of them",
        )
    rows = np.array([_row(one) for query in queries for one in query.evidence])
    labels = np.array([one.image_id in query.true for query in queries for one in query.evidence], np.float64)
    counts = np.array(
        [
            1.0 if not query.true or one.image_id in query.true else _NEAR_MISS
            for query in queries
            for one in query.evidence
        ]
    )
    weights = _logistic(rows, labels, counts)
    best = np.array([max(float(_row(one) @ weights) for one in query.evidence) for query in absent])
    bias = -float(np.quantile(best, 1 - false_accepts))
    margin, itc, z, *parts = weights.tolist()
    rule = Calibration(margin, itc, z, float(np.nextafter(bias, -np.inf)), NEVER_Z, source, *parts)
    return replace(rule, least_z=_least_z(rule, [one for query in queries for one in query.evidence]))


def fit_library(
    probes: Sequence[Sequence[ScoredCandidate]],
    base: Calibration,
    *,
    false_accepts: float = FALSE_ACCEPTS,
    source: str = "",
) -> Calibration:
    """Move ``base``'s bias to a library of which nothing is known. Each probe is the evidence of one text; of most of
    them nobody knows whether the library holds a match. The best strengths of all probes are taken for a mixture of two
    normal parts, absent and present, and the bias is set so that ``false_accepts`` of the absent part lie over it.

    Raises UsageError where there are fewer than 50 probes, or where they do not fall in two parts."""
    strengths = np.array([max(base.judge(one) for one in probe) for probe in probes if probe])
    if len(strengths) < _LEAST_PROBES:
        raise UsageError(f"got {len(strengths)} probes with an answer, expected {_LEAST_PROBES}", "give more of them")
    low, high = _two_normals(strengths)
    if high.mean - low.mean < _APART * (low.deviation + high.deviation):
        raise UsageError(
            "the probes do not fall into texts that the library has pictures of and texts that it has none of",
            "give texts of both kinds with --probes FILE, one a line; the calibration is as it was",
        )
    shift = low.mean + float(_normal_quantile(1 - false_accepts)) * low.deviation
    rule = replace(base, bias=base.bias - shift, least_z=NEVER_Z, source=source)
    return replace(rule, least_z=_least_z(rule, [one for probe in probes for one in probe]))


def _row(one: ScoredCandidate) -> Float64:
    parts = one.agreement
    return np.array([one.margin, one.itc, one.z, parts.clauses, parts.weakest, parts.held, parts.words])


def _logistic(rows: Float64, labels: Float64, counts: Float64) -> Float64:
    """Weights of rows [n, 7], each of which counts ``counts``, without the bias, by Newton's method with a ridge."""
    deviation = rows.std(axis=0)
    deviation[deviation < 1e-9] = 1.0  # the same for all: it tells nothing
    design = np.c_[(rows - rows.mean(axis=0)) / deviation, np.ones(len(rows))]
    weights = np.zeros(design.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        slope = design.T @ (counts * (labels - chance)) - _RIDGE * weights
        curvature = (design.T * (counts * chance * (1 - chance))) @ design + _RIDGE * np.eye(len(weights))
        step = np.linalg.solve(curvature, slope)
        weights += step
        if np.abs(step).max() < 1e-9:
            break
    found: Float64 = weights[:-1] / deviation
    return found


def _least_z(rule: Calibration, evidence: Sequence[ScoredCandidate]) -> float:
    """From which z on pictures may be called confident by their vectors alone."""
    z = np.array([one.z for one in evidence])
    confident = np.array([rule.judge(one) >= 0 for one in evidence])
    order = np.argsort(-z)
    share = np.cumsum(confident[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero((share >= _TAIL_PRECISION) & (np.arange(1, len(order) + 1) >= _LEAST_TAIL))
    return float(z[order][enough[-1]]) if len(enough) else NEVER_Z


@dataclass(frozen=True, slots=True)
class _Normal:
    mean: float
    deviation: float
    share: float


def _two_normals(values: Float64) -> tuple[_Normal, _Normal]:
    """The lower and the upper part of a mixture, by expectation and maximisation from the outer quarters."""
    low = _Normal(float(np.quantile(values, 0.25)), float(values.std()) / 2 + 1e-9, 0.5)
    high = _Normal(float(np.quantile(values, 0.9)), low.deviation, 0.5)
    least = 0.05 * float(values.std()) + 1e-9  # keeps a part from falling on one value
    for _ in range(500):
        densities = [
            part.share / part.deviation * np.exp(-0.5 * ((values - part.mean) / part.deviation) ** 2)
            for part in (low, high)
        ]
        belongs = densities[1] / np.maximum(densities[0] + densities[1], 1e-300)  # [n], to the upper part
        before = (low.mean, high.mean)
        low, high = _part(values, 1 - belongs, least), _part(values, belongs, least)
        if abs(low.mean - before[0]) + abs(high.mean - before[1]) < 1e-9:
            break
    return (low, high) if low.mean <= high.mean else (high, low)


def _part(values: Float64, weights: Float64, least: float) -> _Normal:
    total = float(weights.sum()) + 1e-12
    mean = float(weights @ values) / total
    deviation = max(least, float(np.sqrt(weights @ (values - mean) ** 2 / total)))
    return _Normal(mean, deviation, total / len(values))


def _normal_quantile(share: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(share)
