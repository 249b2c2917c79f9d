"""Compares the walk of a target with the catalog: unchanged files cost a stat, the rest becomes a list."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from imgsearch.media.facts.sidecar_names import FoundSidecars
from imgsearch.media.walking.pass_rules import PassRules
from imgsearch.media.walking.walk import FileEntry, Walk
from imgsearch.media.walking.walk_counts import PassedOver, problem_reason
from imgsearch.records import DECODE_RECIPE
from imgsearch.storage import FailedFile, FileState
from indexer.scanning.archived import Archived
from indexer.scanning.pending_files import KnownFiles, PendingFiles, clamp
from indexer.scanning.scan_scope import Target, odd_kind

_CHUNK_FILES = 4096


class Catalogued(Protocol):
    """The parts of a `Store` that are used; a library that does not exist yet returns nothing."""

    def files(self, root_id: int, after: str | None = None) -> Iterator[FileState]: ...

    def files_at(self, root_id: int, relative_paths: Iterable[str]) -> dict[str, FileState]: ...

    def failed_files(self, root_id: int) -> dict[str, FailedFile]: ...


@dataclass(slots=True)
class Scan:
    """The result of a walk of one target. ``missing`` are catalog rows whose file is gone, for removal."""

    target: Target
    pending: PendingFiles
    missing: list[FileState] = field(default_factory=list)
    stale_failures: list[str] = field(default_factory=list)  # failure rows of files that are gone
    seen: int = 0
    unchanged: int = 0
    failed_before: int = 0  # content at fault in an earlier run, file unchanged: not tried again
    other_files: int = 0
    hidden_folders: int = 0
    program_folders: dict[str, int] = field(default_factory=dict)  # program -> number of its folders, not walked
    used: set[str] = field(default_factory=set)  # patterns of the command line that excluded something
    passed: PassedOver = field(default_factory=PassedOver)
    unreadable: list[tuple[str, str]] = field(default_factory=list)  # (path, reason)
    offline: str = ""  # why the root counts as offline; nothing of it is removed then
    note: str = ""  # a sentence for the person
    beside: FoundSidecars | None = None  # sidecars, if the walk came to its end
    cut: bool = False  # stopped before its end
    doubtful: bool = False  # every known file is gone, others are there: moved, or another disk

    def path_of(self, state: FileState) -> str:
        """The path of a catalogued file of the target."""
        folder = os.fspath(self.target.root.path)
        return os.path.join(folder, state.relative_path) if state.relative_path else folder  # noqa: PTH118


def scan_target(
    store: Catalogued,
    target: Target,
    stop: Callable[[], bool] = lambda: False,
    walked: Callable[[int], None] = lambda files: None,
) -> Scan:
    """Walk ``target``. Costs a stat a file and about 25 bytes a known one. Writes nothing. ``walked`` is called with
    the number of files seen, every few thousand."""
    scan = Scan(target, PendingFiles(target.root.root_id, os.fspath(target.root.path)))
    known = KnownFiles(_listing(store, target))
    failed = {path: row for path, row in store.failed_files(target.root.root_id).items() if target.holds(path)}
    scan.offline = _unreachable(target, len(known))
    if scan.offline:
        return scan
    if target.scope and not os.path.lexists(target.path):  # deleted, with all that was below it
        scan.missing, scan.stale_failures = list(_listing(store, target)), list(failed)
        return scan
    rules = target.rules()
    try:
        if target.scope and rules.reason(target.path):
            scan.missing, scan.stale_failures = list(_listing(store, target)), list(failed)
            _note_left(scan, rules)
            return scan
        walk = Walk(target.path, skip=target.skip, rules=rules)
    except (OSError, ValueError) as exc:
        scan.unreadable.append((target.path, f"a list of what to pass over cannot be read: {problem_reason(exc)}"))
        return scan
    files = {path for path in target.skip if not Path(path).is_dir()}  # roots too, and the walk skips only folders
    entries = (entry for entry in walk if entry.path not in files) if files else iter(walk)
    while not stop() and (chunk := list(itertools.islice(entries, _CHUNK_FILES))):
        _compare(scan, known, failed, chunk)
        walked(scan.seen)
    if stop():
        scan.cut = True
        return scan
    scan.beside = walk.sidecars
    scan.other_files, scan.hidden_folders = walk.counts.other, walk.counts.hidden_folders
    scan.program_folders = dict(walk.counts.program_folders)
    scan.passed.add(walk.counts)
    scan.used = rules.used
    scan.unreadable = [(problem.path, problem.reason) for problem in walk.problems]
    if not _root_vanished(store, scan, walk, known):
        _find_missing(store, scan, walk, known, failed)
        _note_left(scan, rules)
        _doubt(scan, known)
    return scan


def _listing(store: Catalogued, target: Target) -> Iterator[FileState]:
    """The catalog's rows of the target."""
    if not target.scope:
        yield from store.files(target.root.root_id)
        return
    yield from store.files_at(target.root.root_id, [target.scope]).values()
    prefix = target.scope + "/"
    for state in store.files(target.root.root_id, after=prefix):
        if not state.relative_path.startswith(prefix):
            return
        yield state


def _unreachable(target: Target, known: int) -> str:
    """Why nothing can be said about the root ('' if something can): absent, not readable, or suddenly empty."""
    root = target.root.path
    try:
        if kind := odd_kind(root):
            return f"it is {kind}, neither a folder nor a picture"
        if not root.is_dir():
            return "" if root.exists() else "it is not there"
        with os.scandir(root) as listing:
            return "it is empty" if known and next(listing, None) is None else ""
    except OSError as exc:
        return f"it cannot be read ({exc.strerror})"


def _compare(scan: Scan, known: KnownFiles, failed: dict[str, FailedFile], chunk: list[FileEntry]) -> None:
    paths = [entry.relative_path for entry in chunk]
    if scan.target.scope:
        paths = [scan.target.relative(path) for path in paths]
    have, unchanged = known.compare(paths, chunk)
    scan.seen += len(chunk)
    recheck = scan.target.recheck
    if not recheck:
        scan.unchanged += int(unchanged.sum())
    for index in range(len(chunk)) if recheck else (~unchanged).nonzero()[0].tolist():
        entry, path = chunk[index], paths[index]
        failure = failed.pop(path, None)
        if failure is not None and not recheck and _still_at_fault(failure, entry):
            scan.failed_before += 1
        else:
            scan.pending.append(
                path, entry.size_bytes, entry.mtime_ns, changed=bool(have[index]), recheck=bool(unchanged[index])
            )


def _still_at_fault(failure: FailedFile, entry: FileEntry) -> bool:
    """A failure of the content stands until the file or the program's reader changes; an I/O, permission or memory
    failure is tried again."""
    same = (failure.size_bytes, failure.mtime_ns) == (entry.size_bytes, clamp(entry.mtime_ns))
    return same and not failure.transient and failure.decode_recipe >= DECODE_RECIPE


def _root_vanished(store: Catalogued, scan: Scan, walk: Walk, known: KnownFiles) -> bool:
    """Decide whether missing files count as deleted; True if the root counts as offline."""
    above = [problem.reason for problem in walk.problems if problem.relative_path == ""]
    if not scan.target.scope and above:
        scan.offline = above[0] if above[0].startswith("its ") else "it cannot be read"
    elif not scan.target.scope and len(known) and not known.met and not scan.seen:
        archived = Archived()
        paths = (scan.path_of(state) for state in _listing(store, scan.target))
        there = (os.path.lexists(path) or archived.holds(path) for path in paths)
        if not any(there):  # else rules pass over all of them
            scan.offline = f"none of its {len(known):,} pictures is there any more"
    return bool(scan.offline)


def _find_missing(store: Catalogued, scan: Scan, walk: Walk, known: KnownFiles, failed: dict[str, FailedFile]) -> None:
    def readable(path: str) -> bool:
        below = path[len(scan.target.scope) :].lstrip("/") if scan.target.scope else path
        return not walk.unread(below)

    archived = Archived()
    if known.met < len(known):
        unmet = (state for state in known.unmet(_listing(store, scan.target)) if readable(state.relative_path))
        scan.missing = [state for state in unmet if not archived.holds(scan.path_of(state))]
    # Entries that compare() did not pop belong to files that are gone, or to files that have a row and are unchanged.
    scan.stale_failures = [
        path for path in failed if readable(path) and not archived.holds(f"{scan.target.root.path}/{path}")
    ]


def _note_left(scan: Scan, rules: PassRules) -> None:
    """Count the missing files that still exist and are passed over now: a stat a missing file."""
    for state in scan.missing:
        path = scan.path_of(state)
        if os.path.lexists(path):
            try:
                reason = rules.reason(path)
            except (OSError, ValueError):
                reason = ""
            scan.passed.left[reason or "reached on another path, or no picture any more"] += 1


def _doubt(scan: Scan, known: KnownFiles) -> None:
    if scan.missing and not known.met and not scan.target.scope and not scan.passed.left:
        scan.doubtful = True
        scan.note = (
            f"none of the {len(known):,} known pictures of {scan.target.root.path} is there any more, others are: "
            "the known ones stay until the next run, in case it is another disk"
        )
