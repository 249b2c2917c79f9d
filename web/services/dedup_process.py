"""What a run that moves duplicates does, in a process of its own: `python -m web.services.dedup_process apply LIBRARY`
moves what was accepted on the page into the library's quarantine, `undo LIBRARY RUN` brings a run's files back.

Prints a line of JSON now and then ({"progress": {"done", "total"}}), and at the end what was done."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from imgsearch.dedup.plan.file import read_plan
from imgsearch.dedup.plan.review import ACCEPTED, PLAN, Decisions, mark_applied, mark_undone
from imgsearch.dedup.quarantine.apply import Left, apply_plan
from imgsearch.dedup.quarantine.catalog_sync import Placed, follow_files, planned_files, run_files
from imgsearch.dedup.quarantine.folder import runs
from imgsearch.dedup.quarantine.undo import undo
from imgsearch.errors import ImgsearchError
from imgsearch.storage import open_store
from imgsearch.storage.layout import LibraryLayout

_EVERY_S = 0.25
_LISTED = 50  # files that were left alone, by name


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, 3 where some files were left alone, 130 after Ctrl-C, an error's own."""
    verb, library, *more = sys.argv[1:] if arguments is None else arguments
    layout = LibraryLayout(Path(library))
    try:
        told = _apply(layout) if verb == "apply" else _undo(layout, more[0])
    except ImgsearchError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    _print(told)
    return 3 if told["left"] else 0


def _apply(layout: LibraryLayout) -> dict[str, Any]:
    plan = read_plan(layout.dedup / ACCEPTED)
    try:
        done = apply_plan(plan, layout.quarantine, progress=_progress())
    finally:  # after Ctrl-C too: what is gone is not to be offered again
        known = runs(layout.quarantine)
        if known:
            with Decisions(layout.dedup).changing() as decisions:
                mark_applied(decisions, read_plan(layout.dedup / PLAN), known[-1].run_id)
        note = _follow(layout, planned_files(plan))
    told = {"run_id": done.run_id, "moved": done.moved, "moved_bytes": done.moved_bytes}
    return told | {"note": note} | _left(done.left)


def _undo(layout: LibraryLayout, run_id: str) -> dict[str, Any]:
    files = run_files(layout.quarantine, run_id)
    try:
        done = undo(layout.quarantine, run_id, progress=_progress())
    finally:
        note = _follow(layout, files)
    with Decisions(layout.dedup).changing() as decisions:
        mark_undone(decisions, run_id)
    told = {"run_id": run_id, "returned": done.returned, "note": note}
    return told | _left([*done.left, *done.missing])


def _follow(layout: LibraryLayout, files: Iterable[Placed]) -> str:
    """Let searches know, without a look at any other file; what there is to say where that failed."""
    try:
        with open_store(layout.folder) as store:
            follow_files(store, files)
    except ImgsearchError as error:
        return f"searches know of it after the next index run ({error.message})"
    return ""


def _left(left: Sequence[Left]) -> dict[str, Any]:
    return {"left": len(left), "left_files": [{"path": one.path, "reason": one.reason} for one in left[:_LISTED]]}


def _progress() -> Callable[[int, int], None]:
    """Prints how far it is, four times a second at most."""
    last = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _EVERY_S or done == total:
            last = time.monotonic()
            _print({"progress": {"done": done, "total": total}})

    return tell


def _print(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
