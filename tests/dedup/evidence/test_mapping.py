"""Evidence as the store, plans, tables and the API write it down."""

from __future__ import annotations

from dataclasses import asdict, fields

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

FULL = Evidence("near", 0.75, 6, 9, 0.25, 0.5, 0.875, 12.5, "a crop")
BARE = Evidence("bytes", 1.0)


def test_every_spelling_has_the_fields_of_the_record_in_its_order():
    names = [one.name for one in fields(Evidence)]
    assert list(FIELD_KINDS) == names
    assert list(PairRow._fields) == ["first", "second", *names]
    assert list(SCHEMAS["Evidence"]["properties"]) == names
    assert ["tier", "score", *MEASURES, "why"] == names


def test_kind_of_a_field_is_that_of_its_values():
    kinds = {"text": str, "int": int, "float": float}
    for name, value in asdict(FULL).items():
        assert type(value) is kinds[FIELD_KINDS[name]]


def test_record_comes_back_from_each_mapping():
    for evidence in (FULL, BARE):
        assert evidence_as_dict(evidence) == asdict(evidence)
        assert evidence_from_dict(evidence_as_dict(evidence)) == evidence
        short = {"tier": evidence.tier, "score": evidence.score, **details_as_dict(evidence)}
        assert evidence_from_dict(short) == evidence
        assert pair_of(row_of(Pair(3, 7, evidence))) == Pair(3, 7, evidence)
    assert details_as_dict(BARE) == {}


def test_row_names_what_the_record_names():
    assert row_of(Pair(3, 7, FULL))._asdict() == {"first": 3, "second": 7, **asdict(FULL)}
