"""Updates the catalog for files that an apply moved or an undo brought back, without touching any other file."""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from imgsearch.dedup.plan.records import Plan
from imgsearch.dedup.quarantine.folder import find_run
from imgsearch.dedup.quarantine.journal import present
from imgsearch.errors import ImgsearchError
from imgsearch.records import Root
from imgsearch.storage.batch import FilePlace
from imgsearch.storage.collecting import Collecting
from imgsearch.storage.store import Store

_AT_ONCE = 5_000  # rows a transaction
_BUSY_S = 30.0

Placed = tuple[str, str, str]
"""A file's path, the sha256 that it has if it is there, and that of the file which stays in its stead, or ""."""


def follow_files(store: Store, files: Iterable[Placed]) -> int:
    """Make the catalog agree with the disk about these files: a missing file leaves the results, a returned one comes
    back, with the content that the plan or the journal states. The file that stays has the albums and the heart of a
    missing one until that comes back. Returns how many rows were written. Raises LibraryBusy if an index run keeps
    writing for half a minute; `imgsearch index` does the same by itself, but for albums."""
    from imgsearch.storage.writer import writing  # loads SQLAlchemy

    roots, written = store.roots(), 0
    places = ((found, *file) for file in files if (found := _place(roots, file[0])))
    while chunk := list(itertools.islice(places, _AT_ONCE)):
        known = store.known_contents(sha256 for _, _, sha256, _ in chunk)
        gone, there = list[tuple[str, str]](), list[str]()
        with writing(store, wait_s=_BUSY_S) as writer, writer.transaction() as transaction:
            for (root_id, relative), path, sha256, keeper in chunk:
                status = _regular(path)
                if status is None:
                    transaction.remove_files(root_id, [relative])
                    gone += [(sha256, keeper)] if keeper else []
                elif sha256 in known:
                    place = FilePlace(root_id, relative, status.st_size, status.st_mtime_ns)
                    transaction.place_files([(place, known[sha256])])
                    there.append(sha256)
                written += 1
            transaction.commit()
        collecting = Collecting(store)
        if gone:
            collecting.hand_over(gone)
        if there:
            collecting.give_back(there)
    return written


def follow_in(library: str | os.PathLike[str], files: Iterable[Placed]) -> ImgsearchError | None:
    """`follow_files` in the library of that folder; the error where that failed. The files are moved by then, so that
    it is only worth a note."""
    from imgsearch.storage import open_store

    try:
        with open_store(Path(library)) as store:
            follow_files(store, files)
    except ImgsearchError as error:
        return error
    return None


def planned_files(plan: Plan) -> Iterator[Placed]:
    """The files that an apply of the plan may move."""
    return (
        (member.copy.path, member.copy.facts.content_hash, group.keeper.facts.content_hash)
        for group, member in plan.moves()
    )


def run_files(quarantine: Path, run_id: str) -> list[Placed]:
    """The files that a run has moved and that an undo would bring back."""
    history = find_run(quarantine, run_id).history()
    return [(own.step.path, own.step.sha256, own.step.keeper_sha256) for own in present(history, missing=True)]


def _place(roots: list[Root], path: str) -> tuple[int, str] | None:
    for root in roots:
        base = str(root.path)
        if path == base:
            return root.root_id, ""
        if path.startswith(base.rstrip("/") + "/"):
            return root.root_id, path[len(base.rstrip("/")) + 1 :]
    return None


def _regular(path: str) -> os.stat_result | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None
