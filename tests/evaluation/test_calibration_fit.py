"""Calibrations fitted to evidence whose truth is known because it was drawn."""

from __future__ import annotations

import numpy as np
import pytest

from imgsearch.errors import UsageError
from imgsearch.evaluation.calibration_fit import Labelled, fit_labelled, fit_library
from imgsearch.search.calibration import Calibration, PartAgreement, ScoredCandidate

BASE = Calibration(1.0, 0.0, 0.0, 0.0, 1e6)


def drawn(rng: np.random.Generator, count: int, present: bool, shift: float = 0.0) -> list[list[ScoredCandidate]]:
    """Margins about -3 for pictures that do not match, about 3 for the one that does."""
    found = []
    for _ in range(count):
        margins = rng.normal(-3 + shift, 1, size=8)
        if present:
            margins[0] = rng.normal(3 + shift, 1)
        found.append(
            [ScoredCandidate(place, float(m), 0.3, float(rng.normal(2, 1))) for place, m in enumerate(margins)]
        )
    return found


def confident(rule: Calibration, evidence: list[ScoredCandidate]) -> bool:
    return any(rule.strength(one.margin, one.itc, one.z) >= 0 for one in evidence)


def test_labelled_fit_holds_the_share_of_false_accepts_on_other_queries() -> None:
    rng = np.random.default_rng(1)
    queries = [Labelled(one, frozenset({0})) for one in drawn(rng, 400, True)]
    queries += [Labelled(one, frozenset()) for one in drawn(rng, 400, False)]
    rule = fit_labelled(queries, source="drawn")
    assert rule.source == "drawn"
    false = np.mean([confident(rule, one) for one in drawn(rng, 2000, False)])
    true = np.mean([confident(rule, one) for one in drawn(rng, 2000, True)])
    assert 0.03 < false < 0.07 and true > 0.97


def test_labelled_fit_learns_from_the_parts_where_nothing_else_tells() -> None:
    rng = np.random.default_rng(6)

    def query(held: float) -> list[ScoredCandidate]:
        parts = PartAgreement(held=held + float(rng.normal(0, 0.2)))
        return [ScoredCandidate(n, float(rng.normal()), 0.3, 2.0, parts) for n in range(4)]

    queries = [Labelled(query(2.0), frozenset(range(4))) for _ in range(100)]
    queries += [Labelled(query(0.0), frozenset()) for _ in range(100)]
    rule = fit_labelled(queries)
    assert rule.reads_parts and Calibration.from_json(rule.as_json()) == rule
    assert np.mean([any(rule.judge(one) >= 0 for one in query(2.0)) for _ in range(200)]) > 0.95


@pytest.mark.parametrize("shift", [-4.0, 0.0, 5.0])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_library_fit_finds_the_threshold_without_labels(shift: float, share: float) -> None:
    rng = np.random.default_rng(2)
    probes = drawn(rng, int(400 * share), True, shift) + drawn(rng, int(400 * (1 - share)), False, shift)
    rule = fit_library(probes, BASE)
    false = np.mean([confident(rule, one) for one in drawn(rng, 2000, False, shift)])
    true = np.mean([confident(rule, one) for one in drawn(rng, 2000, True, shift)])
    assert false < 0.12 and true > 0.95


def test_library_fit_refuses_probes_of_one_kind_and_too_few() -> None:
    rng = np.random.default_rng(3)
    with pytest.raises(UsageError, match="do not fall into"):
        fit_library([[ScoredCandidate(0, float(m), 0.3, 2.0)] for m in rng.normal(size=400)], BASE)
    with pytest.raises(UsageError, match="expected 50"):
        fit_library(drawn(rng, 10, True), BASE)
    with pytest.raises(UsageError, match="expected 50"):
        fit_labelled([Labelled(one, frozenset({0})) for one in drawn(rng, 90, True)])


def test_tail_is_confident_only_where_vectors_alone_suffice() -> None:
    rng = np.random.default_rng(4)
    clear = [
        [ScoredCandidate(n, 4.0 if z > 3 else -4.0, 0.3, z) for n, z in enumerate(rng.normal(2, 1, 8))]
        for _ in range(200)
    ]
    queries = [Labelled(one, frozenset(e.image_id for e in one if e.margin > 0)) for one in clear]
    unlike = [[ScoredCandidate(n, -4.0, 0.3, float(rng.normal(0, 1))) for n in range(8)] for _ in range(100)]
    queries += [Labelled(one, frozenset()) for one in unlike]
    assert 2.5 < fit_labelled(queries).least_z < 3.5
    queries = [Labelled(one, frozenset({0})) for one in drawn(rng, 200, True)]
    queries += [Labelled(one, frozenset()) for one in drawn(rng, 200, False)]
    assert fit_labelled(queries).least_z > 1e5
