"""Evidence in words, against what each field must make visible."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imgsearch.dedup.evidence.records import TIERS, Evidence
from imgsearch.dedup.reports.words import TIER_TITLES, describe_evidence, describe_span

FULL = Evidence("near", 0.93, 6, hamming=5, difference=0.12, overlap=0.8, similarity=0.9125, seconds=2.5)


def test_titles_name_every_tier_in_order() -> None:
    assert tuple(TIER_TITLES) == TIERS
    assert len({describe_evidence(Evidence(tier, 1.0)) for tier in TIERS}) == len(TIERS)


def test_describe_evidence_mentions_what_was_measured() -> None:
    told = describe_evidence(FULL)
    for part in ("a quarter clockwise", "80 %", "5 of 64", "12 %", "2.5 s", "0.912", "93 % sure"):
        assert part in told
    assert describe_evidence(Evidence("bytes", 1.0)) == "the same file, byte for byte"


@pytest.mark.parametrize("field", ["hamming", "difference", "overlap", "similarity", "seconds"])
def test_describe_evidence_is_silent_about_what_was_not_measured(field: str) -> None:
    assert (
        len(describe_evidence(replace(FULL, **{field: None})).split("; "))
        == len(describe_evidence(FULL).split("; ")) - 1
    )


@pytest.mark.parametrize("share", [0.9951, 0.999, 0.99999])
def test_describe_evidence_never_rounds_up_to_sure(share: float) -> None:
    assert "99 % sure" in describe_evidence(Evidence("perceptual", share))
    assert "under 1 %" in describe_evidence(Evidence("perceptual", 1.0, difference=1 - share))


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0.4 s"), (2, "2 s"), (-12.2, "12 s"), (300, "5 min"), (3600 * 5, "5 h"), (864000, "10 days")],
)
def test_describe_span_uses_the_unit_that_fits(seconds: float, told: str) -> None:
    assert describe_span(seconds) == told
