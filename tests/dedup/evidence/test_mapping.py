"""Evidence as the store, plans, tables and the API write it down."""

from __future__ import annotations

from dataclasses import astuple

from imgsearch.dedup.evidence.mapping import (
    FIELD_KINDS,
    MEASURES,
    details_as_dict,
    evidence_as_dict,
    evidence_from_dict,
    pair_of,
    row_of,
)
from imgsearch.dedup.evidence.records import Evidence, Pair
from imgsearch.storage.evidence.rows import PairRow
from web.http.schemas import SCHEMAS

WRITTEN = (
    "tier", "score", "turn", "bits", "difference", "cover", "similarity", "seconds", "why",
)  # fmt: skip
"""As evidence stores, plans, tables and the API have it since the first format, in the order of the record's fields."""

FULL = Evidence("near", 0.75, 6, 9, 0.25, 0.5, 0.875, 12.5, "a crop")
BARE = Evidence("bytes", 1.0)


def _written(evidence: Evidence) -> dict[str, object]:
    return dict(zip(WRITTEN, astuple(evidence), strict=True))


def test_every_spelling_has_the_same_names_in_the_order_of_the_record():
    names = list(WRITTEN)
    assert list(FIELD_KINDS) == names
    assert list(PairRow._fields) == ["first", "second", *names]
    assert list(SCHEMAS["Evidence"]["properties"]) == names
    assert ["tier", "score", *MEASURES, "why"] == names


def test_kind_of_a_field_is_that_of_its_values():
    kinds = {"text": str, "int": int, "float": float}
    for name, value in _written(FULL).items():
        assert type(value) is kinds[FIELD_KINDS[name]]


def test_record_comes_back_from_each_mapping():
    for evidence in (FULL, BARE):
        assert evidence_as_dict(evidence) == _written(evidence)
        assert evidence_from_dict(evidence_as_dict(evidence)) == evidence
        short = {"tier": evidence.tier, "score": evidence.score, **details_as_dict(evidence)}
        assert evidence_from_dict(short) == evidence
        assert pair_of(row_of(Pair(3, 7, evidence))) == Pair(3, 7, evidence)
    assert details_as_dict(BARE) == {}


def test_row_names_what_the_record_names():
    assert row_of(Pair(3, 7, FULL))._asdict() == {"first": 3, "second": 7, **_written(FULL)}
