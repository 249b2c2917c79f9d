"""imgsearch dedup apply: shows the plan, asks the person, and moves its files to the quarantine."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.cli.dedup.chosen_plan import ChosenPlan, choose_plan
from imgsearch.cli.dedup.last_plan import remember_apply
from imgsearch.cli.output.progress import phases
from imgsearch.cli.output.terminal import ask, require_no_file, shell_word, shown
from imgsearch.errors import UsageError
from imgsearch.wording import counted, describe_size

if TYPE_CHECKING:
    from imgsearch.dedup.evidence.records import Companion
    from imgsearch.dedup.quarantine.apply import Applied, Left
    from imgsearch.dedup.quarantine.catalog_sync import Placed

_LISTED = 50
_FIRST = 10  # files of a plan that are listed before it is applied
_FOLDERS = 20
_INSTEAD = {
    "hardlink": "Where a file of the same bytes was, a hard link to the kept one will be; the others stay.",
    "reflink": "Where a file of the same bytes was, a clone of the kept one will be; the others stay.",
}


def apply(arguments: argparse.Namespace) -> int:
    """The verb apply."""
    from imgsearch.dedup.quarantine.apply import apply_plan
    from imgsearch.dedup.quarantine.catalog_sync import planned_files

    chosen = choose_plan(arguments)
    plan = chosen.plan
    quarantine = quarantine_of(arguments, plan.library)
    _agree(arguments, chosen, quarantine)
    if plan.summary().moved:
        remember_apply(plan.library, quarantine)
    with phases(arguments) as progress:
        done = apply_plan(plan, quarantine, arguments.action, lambda n, total: progress("moving", n, total))
    note = follow(plan.library, planned_files(plan)) if done.moved or done.already else ""
    if arguments.json:
        told = {"plan": str(chosen.path), "folders": list(chosen.folders), "quarantine": str(quarantine), "note": note}
        print(json.dumps({**dataclasses.asdict(done), **told}, indent=2))
    else:
        _tell(arguments, done, plan.library, quarantine, note)
    return 3 if done.left else 0


def preview(chosen: ChosenPlan, quarantine: Path, action: str) -> Iterator[str]:
    """The effects of an apply, one a line: folders, counts, the first files and the file kept for each."""
    from imgsearch.dedup.reports.words import describe_evidence

    summary = chosen.plan.summary()
    yield f"The plan {shown(chosen.path)} of {chosen.plan.created_at} is for"
    yield from (f"  {shown(folder)}" for folder in chosen.folders[:_FOLDERS])
    if len(chosen.folders) > _FOLDERS:
        yield f"  and {len(chosen.folders) - _FOLDERS:,} more folders"
    yield from summary.lines()
    for group, member in itertools.islice(chosen.plan.moves(), _FIRST):
        yield f"  {shown(member.copy.path)}{_with(member.companions)}"
        yield f"      kept is {shown(group.keeper.path)}: {describe_evidence(member.evidence)}"
    if summary.moved > _FIRST:
        every = f"imgsearch dedup report {shell_word(chosen.path)} --out FILE"
        yield f"  and {summary.moved - _FIRST:,} more ({every} shows them)"
    yield f"They go to {shown(quarantine)}; nothing is deleted."
    if action in _INSTEAD:
        yield _INSTEAD[action]
    if chosen.note:
        yield chosen.note


def _agree(arguments: argparse.Namespace, chosen: ChosenPlan, quarantine: Path) -> None:
    """Show the plan, and ask unless --yes was given. Raises UsageError if the answer is not yes."""
    moved = chosen.plan.summary().moved
    if arguments.json and moved and not arguments.yes:
        raise UsageError(f"received --json without --yes, for a plan that moves {counted(moved, 'file')}", "add --yes")
    if arguments.json or not moved or (arguments.yes and arguments.quiet):
        return
    stream = sys.stdout if arguments.yes else sys.stderr  # where the question is
    for line in preview(chosen, quarantine, arguments.action):
        print(line, file=stream)
    if not arguments.yes:
        ask("", "nothing was moved")


def _tell(arguments: argparse.Namespace, done: Applied, library: str, quarantine: Path, note: str) -> None:
    print(f"{counted(done.moved, 'file')} moved to {shown(quarantine)}, {describe_size(done.moved_bytes)}")
    if done.companions:
        print(f"{done.companions:,} of them belong to a picture that was moved")
    tell_all("left where it is", done.left)
    tell_all("note", done.notes)
    if done.already:
        print(f"{done.already:,} were moved before")
    if done.moved:
        where = f"--library {shell_word(library)}" if library else ""
        if arguments.quarantine:
            where = f"--quarantine {shell_word(quarantine)}"
        print(f"Bring them back:   imgsearch dedup undo {where}\nDelete them:       imgsearch dedup purge {where}")
    if note:
        print(f"note: {note}", file=sys.stderr)


def _with(companions: Sequence[Companion]) -> str:
    names = [shown(os.path.basename(one.path)) for one in companions[:3]]  # noqa: PTH119  bytes-safe
    more = [f"{len(companions) - 3:,} more"] if len(companions) > 3 else []
    return f" with {', '.join(names + more)}" if names else ""


def quarantine_of(arguments: argparse.Namespace, library: str) -> Path:
    """The named quarantine, else the library's. Raises UsageError if there is neither, or
    a file."""
    from imgsearch.storage.layout import LibraryLayout

    if arguments.quarantine:
        named = Path(arguments.quarantine).expanduser().absolute()
        require_no_file(named, "--quarantine DIR")
        return named
    if not library:
        raise UsageError("the plan names no library to keep the quarantine in", "name one with --quarantine DIR")
    return LibraryLayout(Path(library)).quarantine


def follow(library: str, files: Iterable[Placed]) -> str:
    """Bring the library up to date. Returns what must be said if that failed, otherwise ""."""
    from imgsearch.dedup.quarantine.catalog_sync import follow_in

    error = follow_in(library, files) if library else None
    if error is None:
        return ""
    index = f"imgsearch index --library {shell_word(library)}"
    return f"the library does not know it yet ({error.message}); {index} tells it"


def tell_all(what: str, ones: Sequence[Left]) -> None:
    """Print a line for each of the first fifty files that something must be said about."""
    for one in ones[:_LISTED]:
        print(f"{what}: {shown(one.path)}: {shown(one.reason)}")
    if len(ones) > _LISTED:
        print(f"{what}: {len(ones) - _LISTED:,} more")
