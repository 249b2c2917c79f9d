"""Groups as JSON values and back (docs/dedup.md, "The plan file")."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from imgsearch.dedup.evidence.mapping import FIELD_KINDS, MEASURES, details_as_dict, evidence_from_dict
from imgsearch.dedup.evidence.records import TIERS, Companion, Copy, Group, Member
from imgsearch.errors import UsageError
from imgsearch.records import MediaFacts

HINT = "write a new plan with `imgsearch dedup find`"
DEPTH = 2
"""Spaces before a group in the file; the text of a group begins without them."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_HASH64 = re.compile(r"[0-9a-f]{16}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_INDENT = 1
_KNOWN_FACTS = ("taken_at", "camera", "latitude", "longitude")


def dump_value(value: object, depth: int = 0) -> str:
    """JSON over several lines, all but the first indented by ``depth`` spaces; lone surrogates as ``\\udcXX``."""
    text = json.dumps(value, ensure_ascii=False, indent=_INDENT).replace("\n", "\n" + " " * depth)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def group_text(group: Group) -> str:
    """The JSON of a group as written in a plan; the same group gives the same text."""
    return dump_value(_group_json(group), DEPTH)


def _group_json(group: Group) -> dict[str, Any]:
    members = [_member_json(member) | {"move": member.move} for member in group.members]
    found: dict[str, Any] = {"reason": group.reason} | ({"picture": group.picture} if group.picture else {})
    found |= {"keeper": _file_json(group.keeper), "members": members}
    return found | ({"kept": [_member_json(member) for member in group.kept]} if group.kept else {})


def _member_json(member: Member) -> dict[str, Any]:
    evidence = member.evidence
    told = details_as_dict(evidence)
    found = {"tier": evidence.tier, "score": evidence.score, "evidence": told, "file": _file_json(member.copy)}
    if member.companions:
        names = ("path", "sha256", "size_bytes", "mtime_ns")
        found["companions"] = [{name: getattr(one, name) for name in names} for one in member.companions]
    return found | ({"stays": member.stays} if member.stays else {})


def _file_json(copy: Copy) -> dict[str, Any]:
    facts = copy.facts
    found = {
        "path": copy.path,
        "sha256": facts.content_hash,
        "size_bytes": copy.size_bytes,
        "mtime_ns": copy.mtime_ns,
        "links": copy.links,
        "root": copy.root_id,
        "image": copy.image_id,
        "width": facts.width,
        "height": facts.height,
        "format": facts.format,
        "perceptual_hash": f"{facts.perceptual_hash:016x}",
        "orientation": facts.orientation,
    }
    return found | {name: value for name in _KNOWN_FACTS if (value := getattr(facts, name)) is not None}


def read_group(value: object, number: int) -> Group:
    """The group in a JSON value, the ``number``-th of the plan. Raises UsageError, naming the place in the plan."""
    reader = PlanReader(value, f"groups[{number}]")
    members = tuple(_read_member(one) for one in reader.items("members"))
    kept = tuple(_read_member(one, kept=True) for one in reader.items("kept", optional=True))
    picture = reader.get("picture", int, 0)
    return Group(_read_file(reader.below("keeper")), reader.get("reason", str, ""), members, kept, picture)


def _read_member(reader: PlanReader, kept: bool = False) -> Member:
    tier = reader.get("tier", str)
    if tier not in TIERS:
        wrong(reader.where, f"tier {tier!r}", f"one of {', '.join(TIERS)}")
    told = reader.below("evidence")
    measures = {name: told.number(name) for name in MEASURES if name in told.value}
    measures |= {name: told.get(name, int) for name in measures if FIELD_KINDS[name] == "int"}
    if not 1 <= measures.get("turn", 1) <= 8:
        wrong(told.where, f"turn {measures['turn']}", "1 to 8")
    fields = {"tier": tier, "score": reader.number("score"), **measures, "why": told.get("why", str, "")}
    evidence = evidence_from_dict(fields)
    companions = tuple(_read_companion(one) for one in reader.items("companions", optional=True))
    move = False if kept else reader.get("move", bool)
    return Member(_read_file(reader.below("file")), evidence, move, reader.get("stays", str, ""), companions)


def _read_companion(reader: PlanReader) -> Companion:
    sha256, size = reader.match("sha256", _SHA256), reader.get("size_bytes", int)
    return Companion(reader.get("path", str), sha256, size, reader.get("mtime_ns", int))


def _read_file(reader: PlanReader) -> Copy:
    size = reader.get("size_bytes", int)
    facts = MediaFacts(
        content_hash=reader.match("sha256", _SHA256),
        perceptual_hash=int(reader.match("perceptual_hash", _HASH64, "0" * 16), 16),
        width=reader.get("width", int, 0),
        height=reader.get("height", int, 0),
        format=reader.get("format", str, ""),
        size_bytes=size,
        taken_at=reader.get("taken_at", str) if "taken_at" in reader.value else None,
        camera=reader.get("camera", str) if "camera" in reader.value else None,
        latitude=reader.number("latitude") if "latitude" in reader.value else None,
        longitude=reader.number("longitude") if "longitude" in reader.value else None,
        orientation=reader.get("orientation", int, 1),
    )
    path, root, image = reader.get("path", str), reader.get("root", int), reader.get("image", int, 0)
    return Copy(path, root, image, size, reader.get("mtime_ns", int), facts, reader.get("links", int, 1))


class PlanReader:
    """An object of the file and its position, for messages."""

    def __init__(self, value: object, where: str) -> None:
        self.value: dict[str, Any] = value if isinstance(value, dict) else wrong(where, repr(value)[:60], "an object")
        self.where = where

    def get(self, name: str, kind: type, default: Any = None) -> Any:
        """The value, or ``default`` if there is none. Raises UsageError for a value of another type."""
        found = self.value.get(name, default)
        if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
            wrong(
                f"{self.where}.{name}", "nothing" if found is None else repr(found)[:60], f"a value of {kind.__name__}"
            )
        return found

    def number(self, name: str) -> Any:
        """A finite number, whole or not."""
        found = self.value.get(name)
        if isinstance(found, bool) or not isinstance(found, int | float) or not _is_finite(found):
            wrong(f"{self.where}.{name}", repr(found)[:60], "a number")
        return found

    def match(self, name: str, pattern: re.Pattern[str], default: str | None = None) -> str:
        """A text that matches the whole pattern."""
        found = str(self.get(name, str, default))
        if not pattern.fullmatch(found):
            wrong(f"{self.where}.{name}", repr(found)[:80], f"lower-case hexadecimal digits ({pattern.pattern})")
        return found

    def below(self, name: str) -> PlanReader:
        """The object in it; an empty one if there is no evidence."""
        return PlanReader(self.value.get(name, {} if name == "evidence" else None), f"{self.where}.{name}")

    def items(self, name: str, *, optional: bool = False) -> Iterator[PlanReader]:
        """The objects of the list in it."""
        found = self.get(name, list, [] if optional else None)
        return (PlanReader(one, f"{self.where}.{name}[{number}]") for number, one in enumerate(found))


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False


def wrong(where: str, got: str, expected: str) -> NoReturn:
    """Raises UsageError for a part of a plan that makes no sense."""
    raise UsageError(f"the plan is not valid at {where}: got {got}, expected {expected}", HINT)
