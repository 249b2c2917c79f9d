"""The last plan and the last apply, recorded in the user's data folder: an apply without a name takes that plan, and an
undo without a name that quarantine, wherever library and plan are, so that one command follows another."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from imgsearch.errors import ImgsearchError

LAST_PLAN, LAST_APPLY = "last-plan.json", "last-apply.json"
"""Files in the data folder."""

_VERSION = 1


@dataclass(frozen=True, slots=True)
class LastPlan:
    """The plan of the last find. ``path`` is "" while a find is running, and after a find that made none."""

    path: str  # absolute
    folders: tuple[str, ...]  # looked through, without symbolic links
    library: str = ""  # that was named
    created_at: str = ""  # `Plan.created_at`
    sha256: str = ""  # of the file, hex


@dataclass(frozen=True, slots=True)
class LastApply:
    """The quarantine of the last apply. ``library`` is "" if the plan names none."""

    library: str
    quarantine: str


def data_folder() -> Path:
    """The user's data folder of this program."""
    import platformdirs

    return Path(platformdirs.user_data_dir("imgsearch", appauthor=False))


def begin_plan(folders: Iterable[str], library: str | None) -> None:
    """A find begins: until it has made its plan there is no last one, so that no earlier plan is taken for its."""
    _write(LAST_PLAN, asdict(LastPlan("", tuple(sorted(outermost(folders))), library or "")))


def remember_plan(path: Path, folders: Iterable[str], created_at: str) -> str:
    """A find has written its plan, made at ``created_at``, to ``path``. Returns why that could not be recorded, "" if
    it was. Reads the file once."""
    fields = LastPlan(str(path), tuple(folders), created_at=created_at, sha256=digest(path))
    return _write(LAST_PLAN, asdict(fields))


def last_plan() -> LastPlan | None:
    """The last plan; None if no find has run, or its record is damaged."""
    told = _read(LAST_PLAN)
    folders = told.get("folders")
    if not isinstance(folders, list) or not isinstance(told.get("path"), str):
        return None
    text = {name: str(told.get(name, "")) for name in ("path", "library", "created_at", "sha256")}
    return LastPlan(folders=tuple(map(str, folders)), **text)


def remember_apply(library: str, quarantine: Path) -> None:
    """An apply is about to move files to ``quarantine``."""
    _write(LAST_APPLY, asdict(LastApply(library, str(quarantine))))


def last_apply() -> LastApply | None:
    """The last apply; None if none has run."""
    told = _read(LAST_APPLY)
    if not told.get("quarantine"):
        return None
    return LastApply(str(told.get("library", "")), str(told["quarantine"]))


def digest(path: Path) -> str:
    """The SHA-256 of a file, hex; "" if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def outermost(folders: Iterable[str]) -> frozenset[str]:
    """The folders without symbolic links, without those that lie in another of them."""
    real = {os.path.realpath(Path(folder).expanduser()) for folder in folders}
    return frozenset(one for one in real if not any(_lies_in(one, other) for other in real if other != one))


def folders_text(folders: Sequence[str]) -> str:
    """Folders as an option of a plan: a JSON list, because a name may hold any character."""
    return json.dumps(list(folders))


def planned_folders(options: Mapping[str, str], roots: Iterable[str]) -> frozenset[str]:
    """The folders of a plan: those given to the find, else all of the library's."""
    with contextlib.suppress(ValueError):
        named = json.loads(options.get("folders", ""))
        if isinstance(named, list) and named:
            return outermost(map(str, named))
    return outermost(roots)


def _lies_in(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def _write(name: str, fields: Mapping[str, Any]) -> str:
    from imgsearch.dedup.plan.draft import replacing

    path = data_folder() / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(json.dumps({"version": _VERSION, **fields}, indent=1).encode())
    except OSError as exc:
        return f"{path}: {exc.strerror or exc}"
    except ImgsearchError as error:
        return error.message
    return ""


def _read(name: str) -> dict[str, Any]:
    try:
        told = json.loads((data_folder() / name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) and told.get("version") == _VERSION else {}
