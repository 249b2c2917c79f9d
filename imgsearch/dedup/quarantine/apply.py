"""Carries out a plan: every file to be moved goes to the quarantine, or is left alone with a reason."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imgsearch.dedup.disk import Refused
from imgsearch.dedup.evidence.records import Group, Member
from imgsearch.dedup.plan.kept_notes import facts_only_of
from imgsearch.dedup.plan.records import Plan, check_plan
from imgsearch.dedup.quarantine.bundles import Bundle, bundles, return_bundle
from imgsearch.dedup.quarantine.folder import RunFolder, begin_run, run_folders, working
from imgsearch.dedup.quarantine.holding import Keeper, hold_keeper
from imgsearch.dedup.quarantine.journal import Journal, present
from imgsearch.dedup.quarantine.quarantine_file import ACTIONS, Mover, Unfinished
from imgsearch.dedup.quarantine.restore_file import Returned
from imgsearch.errors import UsageError
from imgsearch.progress import StepProgress
from imgsearch.storage.disk_errors import disk_errors


@dataclass(frozen=True, slots=True)
class Left:
    """A file that was left alone, or could not be brought back, and the reason."""

    path: str
    reason: str


@dataclass(slots=True)
class Applied:
    """The result of an apply. ``run_id`` is "" if there was nothing to do."""

    run_id: str = ""
    moved: int = 0  # files, companions included
    moved_bytes: int = 0
    companions: int = 0  # of these, files that moved along with an image
    already: int = 0  # images of the plan that an earlier run had moved
    left: list[Left] = field(default_factory=list)
    notes: list[Left] = field(default_factory=list)  # further remarks on moved files
    made: int = 0  # new files beside a person's own
    mended: int = 0  # half-done steps of a killed run that were put back first


def apply_plan(
    plan: Plan, quarantine: str | os.PathLike[str], action: str = "move", progress: StepProgress | None = None
) -> Applied:
    """Move the plan's members to the quarantine; ``undo`` brings them back. ``action``: "hardlink" or "reflink" puts a
    link to, or a clone of, the keeper in the place of a member with the same bytes; other members are left.

    Right before each move both files are read whole and compared with the plan's sha256; the keeper must be another
    file and is locked against other runs meanwhile. Companions of an image are moved along with it: if one of them
    cannot be moved, the image is left too; a missing one is noted. Files that cannot be moved are left and reported.
    Half-done steps of a killed run are put back first. ``progress(images done, images in all)``.

    Raises UsageError for a plan that makes no sense, LibraryBusy if another process works on the quarantine,
    StorageFull if the quarantine cannot be written at all. Reads each moved and kept file once (a moved file twice more
    on its way to another file system) and calls fsync three times a file."""
    if action not in ACTIONS:
        raise UsageError(f"unknown action {action!r}", f"known actions: {', '.join(ACTIONS)}")
    total = check_plan(plan).summary().moved
    applied = Applied()
    with working(quarantine) as folder:
        applied.mended = mend_runs(folder, applied)
        if total == 0:
            return applied
        run = begin_run(folder, action)
        applied.run_id = run.run_id
        with disk_errors(folder), Journal(run.journal, run.history().good_bytes) as journal:
            _Run(plan, run, journal, Mover(run, journal, action, folder), applied).go(progress or _silent, total)
            with contextlib.suppress(OSError):  # only says that the run ended
                journal.write("finished")
    return applied


def _silent(done: int, total: int) -> None:
    pass


def mend_runs(quarantine: Path, applied: Applied) -> int:
    """Put back the steps that a killed apply, or a killed undo of one, had begun and not ended."""
    mended = 0
    for run in run_folders(quarantine):
        history = run.history()
        half_done = [bundle for bundle in bundles(history) if bundle.half_done]
        if not half_done:
            continue
        with disk_errors(quarantine), Journal(run.journal, history.good_bytes) as journal:
            for bundle in half_done:
                for own, result in return_bundle(run, journal, bundle, bundle.waiting()):
                    if isinstance(result, Returned):
                        mended += 1
                    else:
                        applied.left.append(Left(own.step.path, f"half moved by run {run.run_id}: {reason_of(result)}"))
    return mended


class _Run:
    """One pass over the groups of a plan."""

    def __init__(self, plan: Plan, run: RunFolder, journal: Journal, mover: Mover, applied: Applied) -> None:
        self._plan, self._run, self._journal, self._mover, self._applied = plan, run, journal, mover, applied
        self._number = 0
        self._earlier: dict[str, int | None] | None = None

    def go(self, progress: StepProgress, total: int) -> None:
        done = 0
        for group in self._plan.groups:
            moves = [member for member in group.members if member.move]
            for _ in self._each(group, moves):
                done += 1
                progress(done, total)

    def _each(self, group: Group, moves: list[Member]) -> Iterator[None]:
        """Yields after each member, moved or left."""
        waiting = iter(moves)
        if not moves:
            return
        try:
            with hold_keeper(group.keeper, self._plan.roots[group.keeper.root_id]) as keeper:
                for member in waiting:
                    self._move(member, keeper)
                    yield
        except Refused as exc:
            for member in waiting:
                self._leave(member, str(exc))
                yield

    def _move(self, member: Member, keeper: Keeper) -> None:
        if self._mover.action != "move" and self._stands_in(member.copy.path):
            self._applied.already += 1
            return
        number, self._number = self._number + 1, self._number + 1 + len(member.companions)
        told = facts_only_of(member.copy, keeper.copy)  # before the move, because a sidecar may move along
        try:
            moved = self._mover.move(number, member, self._plan.roots[member.copy.root_id], keeper)
        except Unfinished as exc:
            self._leave(member, reason_of(exc.cause) + put_back_begun(self._run, self._journal, exc))
        except FileNotFoundError:
            if member.copy.path in self._moved_before():
                self._applied.already += 1
            else:
                self._leave(member, "it is not there any more")
        except (OSError, Refused) as exc:
            self._leave(member, reason_of(exc))
        else:
            self._applied.moved += len(moved.steps)
            self._applied.moved_bytes += sum(step.size_bytes for step in moved.steps)
            self._applied.companions += len(moved.steps) - 1
            self._applied.notes += [
                Left(path, "it belonged to a file that was moved, and is gone") for path in moved.gone
            ]
            self._note_metadata(member, keeper, told)

    def _leave(self, member: Member, reason: str) -> None:
        self._applied.left.append(Left(member.copy.path, reason))

    def _stands_in(self, path: str) -> bool:
        """Whether the file is the link or clone that an earlier run put in the place of a moved file."""
        placed = self._moved_before().get(path)
        try:
            return placed is not None and os.lstat(path).st_ino == placed
        except OSError:
            return False

    def _moved_before(self) -> dict[str, int | None]:
        """The paths of files that earlier runs moved to the quarantine, and the inode of any substitute."""
        if self._earlier is None:
            others = (run for run in run_folders(self._mover.quarantine) if run.run_id != self._run.run_id)
            self._earlier = {own.step.path: own.placed_inode for run in others for own in present(run.history())}
        return self._earlier

    def _note_metadata(self, member: Member, keeper: Keeper, told: dict[str, Any]) -> None:
        """Record facts that only the moved copy held, for a person or a program to write elsewhere."""
        if not told:
            return
        line = json.dumps({"keeper": keeper.copy.path, "member": member.copy.path} | told) + "\n"
        try:
            with self._run.metadata.open("a", encoding="ascii") as file:
                file.write(line)
        except OSError as exc:
            self._leave(member, f"moved; what only it told was not written down: {reason_of(exc)}")


_IN_WORDS = {
    errno.EACCES: "there is no permission to read it, or to change its folder",
    errno.EPERM: "there is no permission to change it, or its folder",
    errno.EROFS: "its disk is read-only",
}


def reason_of(exc: OSError | Refused) -> str:
    """The reason in words for a person."""
    if isinstance(exc, Refused) or not exc.strerror:
        return str(exc)
    return _IN_WORDS.get(exc.errno or 0, exc.strerror)


def put_back_begun(run: RunFolder, journal: Journal, unfinished: Unfinished) -> str:
    """Put back the steps that were begun; returns an addition to the reason."""
    picture, *others = unfinished.begun
    said = ""
    for _, result in return_bundle(run, journal, Bundle(picture, tuple(others)), unfinished.begun):
        if isinstance(result, Returned):
            said += f"; {result.note}" if result.note else ""
        else:
            said += f"; it could not be put back yet ({reason_of(result)}): run `imgsearch dedup undo`"
    return said
