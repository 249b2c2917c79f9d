"""Evidence as a mapping and back: how the store, the plan, tables, the API and the command line write it down. The
order is that of the record's fields, everywhere; the names too, but for three that are written under older ones."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from imgsearch.dedup.evidence.records import Evidence, Pair
from imgsearch.storage.evidence.rows import PairRow

_KINDS = {"str": "text", "int": "int", "float": "float"}

_WRITTEN = {"orientation": "turn", "hamming": "bits", "overlap": "cover"}
_READ = {written: name for name, written in _WRITTEN.items()}

FIELD_KINDS: Mapping[str, str] = {
    _WRITTEN.get(one.name, one.name): _KINDS[str(one.type).removesuffix(" | None")] for one in fields(Evidence)
}
"""Name as written down -> "text", "int" or "float", in the record's order."""

MEASURES = tuple(name for name in FIELD_KINDS if name not in ("tier", "score", "why"))
"""The fields that may be left out, because a tier need not measure them."""

_values = operator.attrgetter(*(one.name for one in fields(Evidence)))


def evidence_as_dict(evidence: Evidence) -> dict[str, Any]:
    """Every field, whether it says something or not."""
    return dict(zip(FIELD_KINDS, _values(evidence), strict=True))


def details_as_dict(evidence: Evidence) -> dict[str, Any]:
    """The fields beside tier and score that say something: those that are not as the record has them by default."""
    plain = Evidence(evidence.tier, evidence.score)
    pairs = zip(FIELD_KINDS, _values(evidence), _values(plain), strict=True)
    return {name: value for name, value, default in pairs if value != default}


def evidence_from_dict(values: Mapping[str, Any]) -> Evidence:
    """The record of `evidence_as_dict`, or of tier, score and `details_as_dict`; checks nothing."""
    return Evidence(**{_READ.get(name, name): value for name, value in values.items()})


def row_of(pair: Pair) -> PairRow:
    """A pair as the evidence store keeps it."""
    return PairRow(pair.first, pair.second, *_values(pair.evidence))


def pair_of(row: PairRow) -> Pair:
    """The pair of a row of the evidence store."""
    return Pair(row.first, row.second, Evidence(*row[2:]))
