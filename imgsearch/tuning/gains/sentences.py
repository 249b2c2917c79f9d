"""Sentences about what a tuned model gained, from the figures that stand beside its weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from imgsearch.tuning.gains.words import SET_NAMES, figures_in_words


def first_figures(lineage: Mapping[str, Any]) -> Iterator[str]:
    """What R@1 says of each set, both ways; nothing where the file lacks it."""
    gains = lineage.get("gains")
    if lineage.get("kind") == "captions":
        yield from _of_captions(gains)
        return
    for name, spoken in SET_NAMES.items():
        rows = gains.get(name) if isinstance(gains, Mapping) else None
        try:
            firsts = [row for row in rows or () if row["score"] == "itm" and row["at"] == 1]
            parts = [f"{row['way']} {figures_in_words(**_figures(row))}" for row in firsts]
        except (TypeError, KeyError):
            continue
        if parts:
            yield f"{spoken}, the right one first: {'; '.join(parts)}"


def _of_captions(gains: Any) -> Iterator[str]:
    for name, spoken in SET_NAMES.items():
        try:
            row = next(row for row in gains[name] if row["figure"] == "words")
            yield f"{spoken}, words that agree: {row['before']:.2f}, now {row['after']:.2f}, {row['verdict']}"
        except (TypeError, KeyError, ValueError, StopIteration):
            continue


def _figures(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("before", "after", "low", "high", "verdict")}
