"""A plan as a JSON file that a person can read, edit and keep (docs/dedup.md, "The plan file")."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imgsearch.dedup.plan.as_json import DEPTH, HINT, PlanReader, dump_value, wrong
from imgsearch.dedup.plan.check import check_text
from imgsearch.dedup.plan.draft import replacing
from imgsearch.dedup.plan.filed_groups import FiledGroups, Places, group_texts
from imgsearch.dedup.plan.json_stream import JsonFault, JsonStream
from imgsearch.dedup.plan.records import READ_VERSIONS, VERSION, Plan, check_plan
from imgsearch.errors import UsageError
from imgsearch.storage.disk_errors import disk_errors

FORMAT = "imgsearch-dedup-plan"

_LONGEST_NUMBER = 18  # digits


def write_plan(plan: Plan, path: str | os.PathLike[str]) -> None:
    """Write the plan, whole or not at all; its folder is made if it does not exist. A byte of a path that is not UTF-8
    is a lone surrogate, written ``\\udcXX``. Holds one group at a time. Raises UsageError if ``path`` is a folder,
    StorageFull."""
    target = Path(path)
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as file:
        file.writelines(_pieces(plan))


def plan_text(plan: Plan) -> Iterator[str]:
    """The JSON of a plan, a group at a time; the same plan gives the same text."""
    return (piece.decode() for piece in _pieces(plan))


def _pieces(plan: Plan) -> Iterator[bytes]:
    head = {
        "format": FORMAT,
        "version": VERSION,
        "created_at": plan.created_at,
        "library": plan.library,
        "options": plan.options,
        "roots": {str(number): root for number, root in sorted(plan.roots.items())},
    }
    yield dump_value(head).removesuffix("\n}").encode() + b',\n "groups": ['
    for number, text in enumerate(group_texts(plan.groups)):
        yield (b"," if number else b"") + b"\n" + b" " * DEPTH
        yield text
    yield b"\n ]\n}\n"


def read_plan(path: str | os.PathLike[str]) -> Plan:
    """The plan in the file, checked. Its groups stay in the file, which is held open: 32 bytes of memory a group, 33
    more a file while it is checked. A later change of a group is noticed (`FiledGroups`).

    Raises UsageError, naming the place, for a file that is not a plan, has another version or makes no sense
    (`check_plan`)."""
    source, places = Path(path), Places()
    try:
        with source.open("rb") as file:
            head = JsonStream(file).read("groups", places.add)
            groups = FiledGroups(file, places.table(), str(source))
    except OSError as exc:
        raise UsageError(f"the plan {source} cannot be read: {exc.strerror or exc}", HINT) from exc
    except JsonFault as exc:
        raise UsageError(f"{source} {exc}", HINT) from exc
    _check_version(head, source)
    reader = PlanReader(head, "plan")
    reader.get("groups", list)
    roots = {_number(number): _text(root) for number, root in reader.get("roots", dict).items()}
    options = {str(name): str(value) for name, value in reader.get("options", dict, {}).items()}
    library = reader.get("library", str, "")
    check_text(library, "library")
    return check_plan(Plan(groups, roots, reader.get("created_at", str), library, options))


def _check_version(head: dict[str, Any], source: Path) -> None:
    if head.get("format") != FORMAT:
        raise UsageError(f"{source} is not a plan: format is {head.get('format')!r}, not {FORMAT!r}", HINT)
    if head.get("version") not in READ_VERSIONS:
        known = " and ".join(map(str, READ_VERSIONS))
        raise UsageError(f"{source} is a plan of version {head.get('version')!r}, this program reads {known}", HINT)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
        wrong("roots", f"{text!r}", "numbers as names")
    return int(text)


def _text(value: object) -> str:
    return value if isinstance(value, str) else wrong("roots", repr(value), "paths")
