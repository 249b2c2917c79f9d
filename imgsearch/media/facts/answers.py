"""What workers are asked about facts and how they answer; apart from the task, for the parent reads no file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from imgsearch.records import FileFacts, Word

TASK = "imgsearch.media.facts.task:facts_task"


class Former(NamedTuple):
    """What an older program found of a picture."""

    width: int
    height: int
    orientation: int


class Check(NamedTuple):
    """``reason``: why the picture is to be read again, "" for not at all. ``own``: whether the file itself tells an
    orientation."""

    reason: str
    own: bool


def unpacked_answer(head: dict[str, Any]) -> tuple[FileFacts, Check | None]:
    """The reverse. Raises TypeError, KeyError over what makes no sense."""
    check = head.get("check")
    return unpacked(head["facts"]), None if check is None else Check(str(check[0]), bool(check[1]))


def packed(facts: FileFacts) -> dict[str, Any]:
    """As JSON carries them."""
    return {each.name: getattr(facts, each.name) for each in fields(FileFacts)}


def unpacked(head: Mapping[str, Any]) -> FileFacts:
    """The reverse. Raises TypeError, KeyError over what makes no sense."""
    words = tuple(Word(*map(str, each)) for each in head["words"])
    return FileFacts(**{**head, "words": words})
