"""Brings moved files back: every file of a run to its own place, or beside it if the place is taken."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from imgsearch.dedup.disk import Refused
from imgsearch.dedup.quarantine.apply import Left, reason_of
from imgsearch.dedup.quarantine.bundles import bundles, return_bundle
from imgsearch.dedup.quarantine.folder import RunFolder, find_run, run_folders, working
from imgsearch.dedup.quarantine.journal import History, Journal, Step
from imgsearch.dedup.quarantine.new_files import remove_files
from imgsearch.dedup.quarantine.restore_file import Returned
from imgsearch.progress import StepProgress
from imgsearch.storage.disk_errors import disk_errors


@dataclass(slots=True)
class Undone:
    """The result of an undo. ``run_id`` is "" if no run had anything in the quarantine."""

    run_id: str = ""
    returned: int = 0  # files at their place again, under their own name or beside
    beside: list[Left] = field(default_factory=list)  # of these, files whose name was taken: where they are, in words
    notes: list[Left] = field(default_factory=list)  # of these, further remarks
    removed: int = 0  # new files that the run had made
    edited: list[Left] = field(default_factory=list)  # such files that stay, because they hold something else now
    left: list[Left] = field(default_factory=list)  # not brought back, and why: still in the quarantine
    missing: list[Left] = field(default_factory=list)  # in neither place: somebody removed them


def undo(quarantine: str | os.PathLike[str], run_id: str | None = None, progress: StepProgress | None = None) -> Undone:
    """Bring back everything of the run ``run_id``, or of the newest run that has anything in the quarantine; the last
    moved file first. Also ends half-done steps of a killed apply or undo. Nothing is overwritten: a file whose name is
    taken is put beside it as "NAME (restored).EXT", and its companions follow that name. Missing folders are made
    again, a missing root is not. Files that cannot be brought back stay in the quarantine, and a further undo tries
    again. Raises UsageError for an unknown run, LibraryBusy, StorageFull."""
    with working(quarantine) as folder:
        run, history = _chosen(folder, run_id)
        undone = Undone()
        if run is None:
            return undone
        undone.run_id = run.run_id
        with_missing = run_id is not None  # somebody may have put a file back since
        waiting = [(bundle, bundle.waiting(missing=with_missing)) for bundle in bundles(history)]
        total, done = sum(len(steps) for _, steps in waiting), 0
        with disk_errors(folder), Journal(run.journal, history.good_bytes) as journal:
            for bundle, steps in waiting:
                for own, result in return_bundle(run, journal, bundle, steps):
                    _count(undone, own.step, result)
                    done += 1
                    if progress is not None:
                        progress(done, total)
            for path, reason in remove_files(run):
                if reason:
                    undone.edited.append(Left(path, reason))
                else:
                    undone.removed += 1
        undone.left += [Left(str(path), "no line of the journal knows it") for path in _strays(run, history)]
        tidy(run)
    return undone


def _chosen(quarantine: Path, run_id: str | None) -> tuple[RunFolder | None, History]:
    if run_id is not None:
        run = find_run(quarantine, run_id)
        return run, run.history()
    for run in reversed(run_folders(quarantine)):
        history = run.history()
        if run.new_files.is_file() or any(bundle.returnable for bundle in bundles(history)):
            return run, history
    return None, History()


def _count(undone: Undone, step: Step, result: Returned | OSError | Refused) -> None:
    if isinstance(result, FileNotFoundError):
        undone.left.append(Left(step.path, f"{result.filename or step.root} is not there"))
    elif isinstance(result, OSError | Refused):
        undone.left.append(Left(step.path, reason_of(result)))
    elif result.state == "missing":
        undone.missing.append(Left(step.path, result.note))
    elif result.state == "returned":
        undone.returned += 1
        if result.name != step.name:
            undone.beside.append(Left(step.path, result.note))
        elif result.note:
            undone.notes.append(Left(step.path, result.note))


def _strays(run: RunFolder, history: History) -> Iterator[Path]:
    known = {str(run.path / own.step.stored) for own in history.steps.values()}
    for path in sorted((run.path / "files").glob("*/*")):
        if str(path) not in known:
            yield path


def tidy(run: RunFolder) -> None:
    """Remove the empty folders of a run; the journal stays."""
    folder = run.path / "files"
    for empty in [*folder.glob("*"), folder]:
        with contextlib.suppress(OSError):
            empty.rmdir()
