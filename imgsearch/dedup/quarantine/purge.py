"""Deletes files in the quarantine for good. No other module of this program does so."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from imgsearch.dedup.disk import Refused, digest_of, look, open_file, open_folder, remove_file
from imgsearch.dedup.quarantine.apply import Left, reason_of
from imgsearch.dedup.quarantine.bundles import Bundle, bundles
from imgsearch.dedup.quarantine.folder import RunFolder, find_run, run_folders, working
from imgsearch.dedup.quarantine.journal import History, Journal, Step, StepState
from imgsearch.dedup.quarantine.undo import tidy
from imgsearch.files import reached
from imgsearch.progress import StepProgress
from imgsearch.storage.disk_errors import disk_errors

_GONE_WITH_A_KEEPER = ("done", "purging", "purged")


@dataclass(slots=True)
class Purged:
    """The result of a purge."""

    runs: list[str] = field(default_factory=list)  # ids of the runs that it handled
    purged: int = 0
    purged_bytes: int = 0
    left: list[Left] = field(default_factory=list)  # still in the quarantine, and why


def purge(
    quarantine: str | os.PathLike[str],
    run_id: str | None = None,
    *,
    older_than_days: float = 0.0,
    changed_keepers: bool = False,
    progress: StepProgress | None = None,
    now: datetime | None = None,
) -> Purged:
    """Delete the files of one run, or of every run begun more than ``older_than_days`` ago.

    An image and its companions are deleted together, and only if the file that was kept for it is still at its place
    with the bytes it had, read whole now (or was itself moved later in favour of a file for which that is true); with
    ``changed_keepers`` the kept file may have changed, but must exist. Half-done steps after a kill wait for an undo,
    and a run whose journal has damaged lines is left alone. After a kill half way, the rest can still be undone, except
    companions whose image was deleted: they wait for the next purge. Raises UsageError for an unknown run, LibraryBusy,
    StorageFull."""
    found = Purged()
    with working(quarantine) as folder:
        everything = [(run, run.history()) for run in run_folders(folder)]
        keepers = _Keepers(folder, [history for _, history in everything], changed_keepers)
        before = (now or datetime.now(UTC)) - timedelta(days=older_than_days)
        wanted = find_run(folder, run_id).run_id if run_id is not None else ""
        chosen = [one for one in everything if _is_meant(*one, wanted, before)]
        total, done = sum(len(one.waiting()) for _, history in chosen for one in bundles(history)), 0
        for run, history in chosen:
            found.runs.append(run.run_id)
            if history.bad_lines:
                found.left.append(Left(str(run.path), f"its journal has {history.bad_lines} damaged lines"))
                continue
            with disk_errors(folder), Journal(run.journal, history.good_bytes) as journal:
                for bundle in [one for one in bundles(history) if one.waiting()]:
                    done += len(bundle.waiting())
                    _purge_bundle(run, journal, bundle, keepers, found)
                    if progress is not None:
                        progress(done, total)
            tidy(run)
    return found


def _is_meant(run: RunFolder, history: History, wanted: str, moment: datetime) -> bool:
    """Whether it is the run ``wanted``, or, if none is named, was begun before the moment."""
    if wanted:
        return run.run_id == wanted
    try:
        return datetime.fromisoformat(str(history.head.get("started_at"))) <= moment
    except (ValueError, TypeError):
        return False


def _purge_bundle(run: RunFolder, journal: Journal, bundle: Bundle, keepers: _Keepers, found: Purged) -> None:
    """Deletes the image first: after a kill in between, its companions wait for the next purge, and none goes before
    it."""
    waiting = bundle.waiting()
    try:
        _check_ended(bundle)
        there = [own for own in waiting if _is_there(run, own)]
        if there:
            keepers.check(bundle.picture.step)
        if bundle.picture.state == "done" and not any(bundle.picture is own for own in there):
            raise Refused("it is not in the quarantine any more")
        for own in there:
            journal.write("purging", own.step.number, durable=own is there[-1])
        reached("dedup-purging")
    except (OSError, Refused) as exc:
        found.left += [Left(own.step.path, reason_of(exc)) for own in waiting]
        return
    for own in waiting:
        try:
            if any(own is one for one in there):
                _delete(run, own, found)
            elif own.state == "done":
                raise Refused("it is not in the quarantine any more")
            journal.write("purged", own.step.number, durable=False)
        except (OSError, Refused) as exc:
            found.left.append(Left(own.step.path, reason_of(exc)))
            if own is bundle.picture:
                return


def _check_ended(bundle: Bundle) -> None:
    """Raises Refused unless all of it is in the quarantine, or was deleted."""
    if any(own.state == "open" for own in bundle.waiting()):
        raise Refused("its move was cut short: run `imgsearch dedup undo` first")
    if bundle.picture.state not in _GONE_WITH_A_KEEPER:
        raise Refused("its picture is not in the quarantine: run `imgsearch dedup undo` first")


def _is_there(run: RunFolder, own: StepState) -> bool:
    stored = run.path / own.step.stored
    try:
        with open_folder(str(run.path), str(stored.parent)) as folder:
            return look(folder, stored.name) is not None
    except FileNotFoundError:
        return False


def _delete(run: RunFolder, own: StepState, found: Purged) -> None:
    stored = run.path / own.step.stored
    with open_folder(str(run.path), str(stored.parent)) as folder:
        remove_file(folder, stored.name)
        os.fsync(folder)
    reached("dedup-purged")
    found.purged += 1
    found.purged_bytes += own.step.size_bytes


class _Keepers:
    """Checks that the files exist in whose favour others were moved. Each is read once a purge."""

    def __init__(self, quarantine: Path, histories: list[History], changed: bool) -> None:
        self._quarantine, self._changed = str(quarantine), changed
        self._later: dict[tuple[str, str], list[Step]] = defaultdict(list)  # path and hash of a file that was moved
        for history in histories:
            for own in history.steps.values():
                if own.state in _GONE_WITH_A_KEEPER:
                    self._later[own.step.path, own.step.sha256].append(own.step)
        self._stands: dict[tuple[str, str], str] = {}  # "" if it exists unchanged, else the reason

    def check(self, step: Step) -> None:
        """Raises Refused unless a keeper of this file, or a keeper's keeper, exists unchanged."""
        waiting, seen, reasons = [step], {step.path}, []
        while waiting:
            one = waiting.pop()
            problem = self._problem(one.keeper, one.keeper_sha256)
            if not problem:
                return
            reasons.append(problem)
            for later in self._later[one.keeper, one.keeper_sha256]:
                if later.path not in seen:
                    seen.add(later.path)
                    waiting.append(later)
        raise Refused(reasons[0])

    def _problem(self, path: str, sha256: str) -> str:
        if (path, sha256) not in self._stands:
            self._stands[path, sha256] = self._read(path, sha256)
        return self._stands[path, sha256]

    def _read(self, path: str, sha256: str) -> str:
        real = os.path.realpath(path)
        if real.startswith(self._quarantine + "/"):
            return f"the file that was kept, {path}, lies in the quarantine"
        folder, _, name = real.rpartition("/")
        try:
            with open_folder(folder or "/", folder or "/") as parent, open_file(parent, name) as descriptor:
                changed = digest_of(descriptor)[0] != sha256
        except (OSError, Refused) as exc:
            return f"the file that was kept, {path}, cannot be read: {reason_of(exc)}"
        if changed and not self._changed:
            return f"the file that was kept, {path}, has changed since"
        return ""
