"""A plan as a JSON file that a person can read, edit and keep (docs/dedup.md, "The plan file")."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from imgsearch.dedup.draft import replacing
from imgsearch.dedup.evidence import TIERS, Copy, Evidence, Group, Member
from imgsearch.dedup.plan import VERSION, Plan, check_plan
from imgsearch.errors import UsageError
from imgsearch.records import MediaFacts
from imgsearch.storage.disk_errors import disk_errors

FORMAT = "imgsearch-dedup-plan"

_HINT = "write a new plan with `imgsearch dedup find`"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HASH64 = re.compile(r"[0-9a-f]{16}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_INDENT = 1
_GROUPS = ' "groups": ['
_MEASURES = tuple(one.name for one in fields(Evidence) if one.name not in ("tier", "score", "why"))
_KNOWN_FACTS = ("taken_at", "camera", "latitude", "longitude")


def write_plan(plan: Plan, path: str | os.PathLike[str]) -> None:
    """Write the plan, whole or not at all; its folder is made if it is not there. A byte of a path that is not UTF-8
    is a lone surrogate, written ``\\udcXX``. Raises UsageError where ``path`` is a folder, StorageFull."""
    target = Path(path)
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as file:
        for piece in plan_text(plan):
            file.write(piece.encode())


def plan_text(plan: Plan) -> Iterator[str]:
    """The JSON of a plan, a group at a time; the same plan gives the same text."""
    head = {
        "format": FORMAT,
        "version": VERSION,
        "created_at": plan.created_at,
        "library": plan.library,
        "options": plan.options,
        "roots": {str(number): root for number, root in sorted(plan.roots.items())},
    }
    yield _dumps(head, 0).removesuffix("\n}") + ",\n" + _GROUPS
    for number, group in enumerate(plan.groups):
        yield (",\n  " if number else "\n  ") + _dumps(_group_json(group), 2)
    yield "\n ]\n}\n"


def _dumps(value: object, depth: int) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=_INDENT).replace("\n", "\n" + " " * depth)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _group_json(group: Group) -> dict[str, Any]:
    members = [_member_json(member) | {"move": member.move} for member in group.members]
    kept = {"kept": [_member_json(member) for member in group.kept]} if group.kept else {}
    return {"reason": group.reason, "keeper": _file_json(group.keeper), "members": members} | kept


def _member_json(member: Member) -> dict[str, Any]:
    evidence = member.evidence
    plain = Evidence(evidence.tier, evidence.score)
    told = {name: value for name in (*_MEASURES, "why") if (value := getattr(evidence, name)) != getattr(plain, name)}
    return {"tier": evidence.tier, "score": evidence.score, "evidence": told, "file": _file_json(member.copy)}


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


def read_plan(path: str | os.PathLike[str]) -> Plan:
    """The plan in the file, checked. Raises UsageError, naming the place, for a file that is not one, has another
    version or makes no sense (`check_plan`). A file as `write_plan` lays it out is read group by group, any other
    whole."""
    source = Path(path)
    try:
        with source.open(encoding="utf-8", newline="\n") as file:
            head, groups = _read_by_groups(file) or _read_whole(source)
    except OSError as exc:
        raise UsageError(f"the plan {source} cannot be read: {exc.strerror or exc}", _HINT) from exc
    except UnicodeDecodeError as exc:
        raise UsageError(f"{source} is not a plan: byte {exc.start} is not UTF-8", _HINT) from exc
    _Reader(head, "plan").check_version(source)
    reader = _Reader(head, "plan")
    roots = {_number(number): _text(root) for number, root in reader.get("roots", dict).items()}
    options = {str(name): str(value) for name, value in reader.get("options", dict, {}).items()}
    return check_plan(
        Plan(tuple(groups), roots, reader.get("created_at", str), reader.get("library", str, ""), options)
    )


def _read_by_groups(lines: Iterator[str]) -> tuple[dict[str, Any], list[Group]] | None:
    """What `plan_text` laid out, holding one group's text at a time; None for any other layout."""
    head: list[str] = []
    for line in lines:
        if line.rstrip("\n") == _GROUPS:
            break
        head.append(line)
        if len(head) > 10_000:
            return None
    groups: list[Group] = []
    own: list[str] = []
    try:
        found = json.loads("".join(head).rstrip().removesuffix(",") + "}")
        for line in lines:
            own.append(line)
            if line in ("  }\n", "  },\n"):
                groups.append(_read_group(json.loads("".join(own).rstrip().removesuffix(",")), len(groups)))
                own = []
    except (json.JSONDecodeError, RecursionError):
        return None
    return (found, groups) if own == [" ]\n", "}\n"] and isinstance(found, dict) else None


def _read_whole(source: Path) -> tuple[dict[str, Any], list[Group]]:
    try:
        found = json.loads(source.read_text(encoding="utf-8"))
    except json.JSONDecodeError as exc:
        raise UsageError(f"{source} is not JSON: {exc.msg} at line {exc.lineno}, column {exc.colno}", _HINT) from exc
    except RecursionError as exc:
        raise UsageError(f"{source} is not a plan: it is nested too deeply", _HINT) from exc
    if not isinstance(found, dict):
        raise UsageError(f"{source} is not a plan: got a {type(found).__name__}, expected an object", _HINT)
    _Reader(found, "plan").check_version(source)
    listed = _Reader(found, "plan").get("groups", list)
    return found, [_read_group(one, number) for number, one in enumerate(listed)]


def _number(text: str) -> int:
    if not text.isdigit():
        _wrong("roots", f"{text!r}", "numbers as names")
    return int(text)


def _text(value: object) -> str:
    return value if isinstance(value, str) else _wrong("roots", repr(value), "paths")


def _read_group(value: object, number: int) -> Group:
    reader = _Reader(value, f"groups[{number}]")
    members = tuple(_read_member(one) for one in reader.items("members"))
    kept = tuple(_read_member(one, kept=True) for one in (reader.items("kept") if "kept" in reader.value else ()))
    return Group(_read_file(reader.below("keeper")), reader.get("reason", str, ""), members, kept)


def _read_member(reader: _Reader, kept: bool = False) -> Member:
    tier = reader.get("tier", str)
    if tier not in TIERS:
        _wrong(reader.where, f"tier {tier!r}", f"one of {', '.join(TIERS)}")
    told = reader.below("evidence")
    measures = {name: told.number(name) for name in _MEASURES if name in told.value}
    for name in ("turn", "bits"):
        if name in measures:
            measures[name] = told.get(name, int)
    if not 1 <= measures.get("turn", 1) <= 8:
        _wrong(told.where, f"turn {measures['turn']}", "1 to 8")
    evidence = Evidence(tier, reader.number("score"), **measures, why=told.get("why", str, ""))
    return Member(_read_file(reader.below("file")), evidence, False if kept else reader.get("move", bool))


def _read_file(reader: _Reader) -> Copy:
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


class _Reader:
    """An object of the file and where it stands, for messages."""

    def __init__(self, value: object, where: str) -> None:
        self.value: dict[str, Any] = value if isinstance(value, dict) else _wrong(where, repr(value)[:60], "an object")
        self.where = where

    def get(self, name: str, kind: type, default: Any = None) -> Any:
        found = self.value.get(name, default)
        if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
            _wrong(
                f"{self.where}.{name}", "nothing" if found is None else repr(found)[:60], f"a value of {kind.__name__}"
            )
        return found

    def number(self, name: str) -> Any:
        found = self.value.get(name)
        if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
            _wrong(f"{self.where}.{name}", repr(found)[:60], "a number")
        return found

    def match(self, name: str, pattern: re.Pattern[str], default: str | None = None) -> str:
        found = str(self.get(name, str, default))
        if not pattern.fullmatch(found):
            _wrong(f"{self.where}.{name}", repr(found)[:80], f"lower-case hexadecimal digits ({pattern.pattern})")
        return found

    def below(self, name: str) -> _Reader:
        return _Reader(self.value.get(name, {} if name == "evidence" else None), f"{self.where}.{name}")

    def items(self, name: str) -> Iterator[_Reader]:
        found = self.get(name, list)
        return (_Reader(one, f"{self.where}.{name}[{number}]") for number, one in enumerate(found))

    def check_version(self, source: Path) -> None:
        if self.value.get("format") != FORMAT:
            raise UsageError(f"{source} is not a plan: format is {self.value.get('format')!r}, not {FORMAT!r}", _HINT)
        if self.value.get("version") != VERSION:
            got = self.value.get("version")
            raise UsageError(f"{source} is a plan of version {got!r}, this program reads {VERSION}", _HINT)


def _wrong(where: str, got: str, expected: str) -> NoReturn:
    raise UsageError(f"the plan is not valid at {where}: got {got}, expected {expected}", _HINT)
