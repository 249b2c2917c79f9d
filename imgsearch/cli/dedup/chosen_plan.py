"""Chooses the plan: the named one, a library's, the one for some folders, or the last one made."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.cli.dedup.last_plan import LastPlan, digest, last_plan, outermost, planned_folders
from imgsearch.cli.output.terminal import shell_word, shown
from imgsearch.errors import ImgsearchError, UsageError

if TYPE_CHECKING:
    from imgsearch.dedup.plan.records import Plan

_NAMED = 3  # folders in a message


@dataclass(frozen=True, slots=True)
class ChosenPlan:
    """A plan and its file. ``note``: what a person must know before it is applied, "" if there is nothing."""

    plan: Plan
    path: Path  # absolute
    folders: tuple[str, ...]  # that it is for
    note: str = ""


def choose_plan(arguments: argparse.Namespace) -> ChosenPlan:
    """The plan that ``PLAN`` names, else that of the library in ``--library``, else the last one made, which must be
    for the folders ``DIR ...`` if these are given. Raises UsageError if there is none, if it is for other folders or
    another library than named, and for an unnamed plan that is older than the last one of the same folders."""
    named, folders = _split(arguments.plan)
    if named is not None:
        found = _read(named)
        if arguments.library:
            _require_library(found, arguments.library)
        return found
    last = last_plan()
    found = _read(_plan_of_library(arguments.library) if arguments.library else _path_of(last, folders))
    if folders:
        _require_folders(found, folders)
    return _require_newest(found, last)


def find_command(folders: Iterable[str], library: str = "") -> str:
    """The command that makes a plan of ``folders``."""
    words = [shell_word(folder) for folder in sorted(folders)]
    return " ".join(["imgsearch dedup find", *words, *(["--library", shell_word(library)] if library else [])])


def named_folders(folders: Iterable[str]) -> str:
    """Folders for a message: "/a, /b and 3 more"."""
    ones = [shown(folder) for folder in sorted(folders)]
    rest = len(ones) - _NAMED
    return ", ".join(ones[:_NAMED]) + (f" and {rest:,} more" if rest > 0 else "")


def _split(names: Sequence[str]) -> tuple[Path | None, list[str]]:
    """The named plan, or the named folders."""
    folders = [name for name in names if Path(name).expanduser().is_dir()]
    if len(folders) == len(names):
        return None, folders
    if len(names) == 1:
        return Path(names[0]).expanduser(), []
    other = next(name for name in names if name not in folders)
    raise UsageError(
        f"received {len(names)} names, of which {shown(other)} is no folder; expected one plan, or folders",
        "imgsearch dedup apply PLAN, or imgsearch dedup apply DIR ...",
    )


def _plan_of_library(library: str) -> Path:
    from imgsearch.app import open_store
    from imgsearch.dedup.plan.review import PLAN
    from imgsearch.settings import load_settings

    with open_store(load_settings({"library": library})) as store:
        path = store.layout.dedup / PLAN
    if not path.exists():
        raise UsageError(f"the library {shown(store.path)} has no plan", f"{find_command((), library)} makes one")
    return path


def _path_of(last: LastPlan | None, folders: Sequence[str]) -> Path:
    again = find_command(outermost(folders))
    if last is None:
        raise UsageError("no plan was made yet, or it is not known which was the last", f"{again} makes one")
    if not last.path:
        which = f" of {named_folders(last.folders)}" if last.folders else ""
        raise UsageError(
            f"the last find{which} has not written its plan: it is still running, or it was stopped",
            f"run it again ({find_command(last.folders, last.library)}), or name the plan that you mean",
        )
    if not Path(last.path).exists():
        raise UsageError(f"the last plan {shown(last.path)} is gone", f"{again} makes one")
    return Path(last.path)


def _read(path: Path) -> ChosenPlan:
    from imgsearch.dedup.plan.file import read_plan

    plan = read_plan(path)
    folders = planned_folders(plan.options, plan.roots.values())
    return ChosenPlan(plan, Path(os.path.abspath(path)), tuple(sorted(folders)))  # noqa: PTH100  without links


def _require_library(found: ChosenPlan, library: str) -> None:
    wanted = os.path.realpath(Path(library).expanduser())
    if not found.plan.library or os.path.realpath(found.plan.library) == wanted:
        return
    raise UsageError(
        f"{shown(found.path)} is a plan of the library {shown(found.plan.library)}, not of {shown(library)}",
        f"leave --library out, or make a plan of that one: {find_command((), library)}",
    )


def _require_folders(found: ChosenPlan, folders: Sequence[str]) -> None:
    wanted = outermost(folders)
    if wanted == frozenset(found.folders):
        return
    raise UsageError(
        f"the plan {shown(found.path)} is for {named_folders(found.folders)}, not for {named_folders(wanted)}",
        f"{find_command(wanted)} makes one; imgsearch dedup apply {shell_word(found.path)} applies this",
    )


def _require_newest(found: ChosenPlan, last: LastPlan | None) -> ChosenPlan:
    """The plan, with a note if its file is not as find wrote it."""
    newer = _newer(found, last)
    if newer is not None:
        raise UsageError(
            f"the plan {shown(found.path)} of {found.plan.created_at} is older than {shown(newer)}, which is for the "
            "same folders",
            f"name the one that you mean: imgsearch dedup apply {shell_word(newer)}",
        )
    if last is None or not _same_file(last.path, found.path) or digest(found.path) == last.sha256:
        return found
    note = "The plan's file was changed or replaced since it was found; this is what it would do now."
    return ChosenPlan(found.plan, found.path, found.folders, note)


def _newer(found: ChosenPlan, last: LastPlan | None) -> Path | None:
    """A later plan for the same folders: the last that was made, or that of the same library."""
    from imgsearch.dedup.plan.review import PLAN
    from imgsearch.storage.layout import LibraryLayout

    if last is not None and last.path and not _same_file(last.path, found.path):
        same = frozenset(last.folders) == frozenset(found.folders)
        if same and last.created_at > found.plan.created_at and Path(last.path).exists():
            return Path(last.path)
    if not found.plan.library:
        return None
    own = LibraryLayout(Path(found.plan.library)).dedup / PLAN
    if _same_file(str(own), found.path) or not own.exists():
        return None
    try:
        other = _read(own)
    except ImgsearchError:
        return None
    return own if other.folders == found.folders and other.plan.created_at > found.plan.created_at else None


def _same_file(one: str, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
