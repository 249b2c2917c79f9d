"""The messages between the pool and `facts.task`. They stand apart because the parent process imports them and reads no
file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from imgsearch.records import FileFacts, Word

TASK = "imgsearch.media.facts.task:facts_task"


class Former(NamedTuple):
    """Size and orientation that an older version of this program found."""

    width: int
    height: int
    orientation: int


class Check(NamedTuple):
    """``reason`` why the image must be read again, "" if it need not. ``own``: whether the file itself gives an
    orientation."""

    reason: str
    own: bool


def unpacked_answer(head: dict[str, Any]) -> tuple[FileFacts, Check | None]:
    """The facts and the check from a worker's answer. Raises TypeError or KeyError for a malformed answer."""
    check = head.get("check")
    return unpacked(head["facts"]), None if check is None else Check(str(check[0]), bool(check[1]))


def packed(facts: FileFacts) -> dict[str, Any]:
    """The facts as values that JSON can carry."""
    return {each.name: getattr(facts, each.name) for each in fields(FileFacts)}


def unpacked(head: Mapping[str, Any]) -> FileFacts:
    """The facts that `packed` wrote. Raises TypeError or KeyError for malformed input."""
    words = tuple(Word(*map(str, each)) for each in head["words"])
    return FileFacts(**{**head, "words": words})
