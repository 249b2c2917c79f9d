"""Keeps a library current: waits for changes under its roots, and scans the parts that changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from imgsearch.errors import LibraryBusy, UsageError
from imgsearch.extras import needs_extra
from imgsearch.media.facts.sidecar_names import images_of, is_sidecar
from imgsearch.media.sniff import IMAGE_EXTENSIONS
from imgsearch.media.walking.ignore import IGNORE_FILE
from imgsearch.media.walking.pass_rules import MARKERS
from imgsearch.media.walking.program_folders import Included, program_folder_in
from imgsearch.progress import Progress
from imgsearch.records import Root
from indexer.index_run import IndexRun
from indexer.report import RunSummary
from indexer.scanning.remembered import AnyIncluded

_STEP_MS = 1000  # quiet time that ends a burst of changes
_BURST_MS = 15_000  # a burst is taken in pieces of at most this length
_LOOK_MS = 5000  # how often the presence of the roots is checked
_SAYING = frozenset({IGNORE_FILE, *MARKERS})  # files that change what is walked
_MANY_PATHS = 200  # more changed folders than this: the whole root is scanned


def watch(
    session: IndexRun, paths: Sequence[str], progress: Progress, stop: Callable[[], bool]
) -> Iterator[RunSummary]:
    """One summary for each update that found something, until ``stop``. A root that comes back is scanned whole, a
    missing one is marked offline. While another process writes to the library, changes wait."""
    waiting: set[str] = set()
    while not stop():
        included = AnyIncluded(session.scope.patterns())
        roots = _watched(session.store.roots(), paths)
        present = [root for root in roots if root.path.exists()]
        for changed in _changes(present, session.store.path, progress, stop):
            if stop():
                return
            waiting |= scopes(changed, roots, included)
            back = [root for root in roots if root.path.exists() != (root in present)]
            waiting |= {os.fspath(root.path) for root in back}
            if waiting:
                try:
                    summary = session.update(sorted(waiting), named=False)
                except LibraryBusy:
                    continue
                except UsageError:  # a path that has gone again, with its root
                    waiting.clear()
                    break
                waiting.clear()
                if _says_something(summary):
                    yield summary
            if back:
                break  # watch another set of folders


def _says_something(summary: RunSummary) -> bool:
    is_same = summary.seen == summary.unchanged + summary.failed_before
    return not is_same or any(
        (summary.removed, summary.offline, summary.sidecars, summary.facts_renewed, summary.reread)
    )


def scopes(changed: Iterable[str], roots: Sequence[Root], included: Included | AnyIncluded | None = None) -> set[str]:
    """The paths to scan for some changed paths: themselves, or their whole root if they are many; the folder of a file
    that says what to pass over; the images that a sidecar belongs to. Leaves out paths outside the roots, and paths in
    folders that a walk of the root passes over by their names; patterns are left to the scan."""
    included = included or Included()
    changed = [os.path.dirname(path) if os.path.basename(path) in _SAYING else path for path in changed]  # noqa: PTH119, PTH120
    changed = _with_pictures(changed)
    found: set[str] = set()
    for root in roots:
        top = os.path.realpath(root.path)
        below = {path for path in changed if path == top or path.startswith(top.rstrip(os.sep) + os.sep)}
        below = {path for path in below if _worth_a_look(path, top, included)}
        found |= below if len(below) <= _MANY_PATHS else {os.fspath(root.path)}
    return found


def _with_pictures(changed: Iterable[str]) -> set[str]:
    """The paths with sidecars replaced by the images beside them, because sidecars have no row of their own."""
    found: set[str] = set()
    sidecars: dict[str, list[str]] = {}
    for path in changed:
        folder, name = os.path.split(path)
        if is_sidecar(name) and not os.path.isdir(path):  # noqa: PTH112
            sidecars.setdefault(folder, []).append(name)
        else:
            found.add(path)
    for folder, names in sidecars.items():
        found |= {os.path.join(folder, picture) for picture in images_of(names, folder)}  # noqa: PTH118
    return found


def _worth_a_look(path: str, top: str, included: Included | AnyIncluded) -> bool:
    """Whether it is neither in a hidden folder nor in one of a program, and is a folder, a file with an image's name,
    or gone (and then its kind is unknown)."""
    folder = top
    for part in Path(path[len(top) :].lstrip(os.sep)).parts:
        here = os.path.join(folder, part)  # noqa: PTH118
        hidden = part.startswith(".") and here != path  # a hidden file may be one that patterns take
        if (hidden or program_folder_in(folder, part)) and not included.matches(here):
            return False
        folder = here
    return os.path.splitext(path)[1].lower() in IMAGE_EXTENSIONS or not os.path.isfile(path)  # noqa: PTH113, PTH122


def _watched(roots: Iterable[Root], paths: Sequence[str]) -> list[Root]:
    """The roots that the paths lie in or contain; all of them if no path was named."""
    if not paths:
        return list(roots)
    reals = [os.path.realpath(path) for path in paths]
    return [root for root in roots if any(_related(os.path.realpath(root.path), real) for real in reals)]


def _related(one: str, other: str) -> bool:
    return one == other or one.startswith(other + os.sep) or other.startswith(one + os.sep)


def _changes(roots: Sequence[Root], library: Path, progress: Progress, stop: Callable[[], bool]) -> Iterator[set[str]]:
    """Sets of changed real paths, empty ones every few seconds; polls if the system's watches are used up."""
    import time

    with needs_extra("watching folders (--watch)", "watch"):
        from watchfiles import watch as watch_files

    inside = os.path.realpath(library) + os.sep

    def wanted(_: object, path: str) -> bool:
        return not path.startswith(inside)

    real = [os.path.realpath(root.path) for root in roots]
    folders = [path for path in real if os.path.isdir(path)]  # noqa: PTH112
    single = SingleFiles(path for path in real if path not in folders)
    if not folders:
        while not stop():
            time.sleep(_LOOK_MS / 1000)
            yield single.changed()
        return
    for poll in (False, True):
        try:
            for changes in watch_files(
                *folders, watch_filter=wanted, debounce=_BURST_MS, step=_STEP_MS, rust_timeout=_LOOK_MS,
                yield_on_timeout=True, force_polling=poll, stop_event=_StopEvent(stop), raise_interrupt=False,
            ):  # fmt: skip
                told = {os.path.realpath(path) if os.path.lexists(path) else path for _, path in changes}
                yield told | single.changed()
            return
        except OSError as exc:
            if poll:
                return
            progress.say(f"the system cannot watch that many folders ({exc}); looking at all of them in turn instead")


class SingleFiles:
    """Roots that are single files, with the sidecars beside them. The system's watch of a file tells of no sidecar, and
    loses the file when a program puts another in its place, so that they are looked at, by one listing a folder."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = frozenset(paths)
        self._known = self._look()

    def changed(self) -> set[str]:
        """What is new, changed or gone since the last call."""
        before, self._known = self._known, self._look()
        return {path for path in before.keys() | self._known.keys() if before.get(path) != self._known.get(path)}

    def _look(self) -> dict[str, tuple[int, int, int]]:
        found = {}
        for folder in {os.path.dirname(path) for path in self._paths}:  # noqa: PTH120
            with suppress(OSError), os.scandir(folder) as listing:
                for entry in listing:
                    if entry.path in self._paths or is_sidecar(entry.name):
                        with suppress(OSError):
                            status = entry.stat()
                            found[entry.path] = status.st_size, status.st_mtime_ns, status.st_ino
        return found


class _StopEvent:
    """What watchfiles asks whether to end."""

    def __init__(self, stop: Callable[[], bool]) -> None:
        self.is_set = stop
