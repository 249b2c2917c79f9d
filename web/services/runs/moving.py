"""The page's file operations: moves accepted files to the quarantine, and brings the files of a run back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from imgsearch.dedup.plan.file import read_plan
from imgsearch.dedup.plan.review import ACCEPTED, PLAN, Decisions, mark_applied, mark_undone
from imgsearch.dedup.quarantine.apply import Left, apply_plan
from imgsearch.dedup.quarantine.catalog_sync import Placed, follow_in, planned_files, run_files
from imgsearch.dedup.quarantine.folder import runs
from imgsearch.dedup.quarantine.undo import undo
from imgsearch.progress import StepProgress
from imgsearch.storage.layout import LibraryLayout

_LISTED = 50  # files that were left alone, by name


def apply_accepted(library: Path, progress: StepProgress) -> dict[str, Any]:
    """Move what was accepted on the page, remember that, and let searches know, without a look at any other file.
    -> what was done, as the API tells it. Raises what `apply_plan` raises."""
    layout = LibraryLayout(library)
    plan = read_plan(layout.dedup / ACCEPTED)
    try:
        done = apply_plan(plan, layout.quarantine, progress=progress)
    finally:  # after Ctrl-C too: what is gone is not to be offered again
        known = runs(layout.quarantine)
        if known:
            with Decisions(layout.dedup).changing() as decisions:
                mark_applied(decisions, read_plan(layout.dedup / PLAN), known[-1].run_id)
        note = _followed(layout, planned_files(plan))
    told = {"run_id": done.run_id, "moved": done.moved, "moved_bytes": done.moved_bytes}
    return told | {"note": note} | _left(done.left)


def undo_run(library: Path, run_id: str, progress: StepProgress) -> dict[str, Any]:
    """Bring back what a run has moved. -> what was done, as the API tells it. Raises what `undo` raises."""
    layout = LibraryLayout(library)
    files = run_files(layout.quarantine, run_id)
    try:
        done = undo(layout.quarantine, run_id, progress=progress)
    finally:
        note = _followed(layout, files)
    with Decisions(layout.dedup).changing() as decisions:
        mark_undone(decisions, run_id)
    told = {"run_id": run_id, "returned": done.returned, "note": note}
    return told | _left([*done.left, *done.missing])


def _followed(layout: LibraryLayout, files: Iterable[Placed]) -> str:
    """Let searches know; what there is to say where that failed."""
    error = follow_in(layout.folder, files)
    return "" if error is None else f"searches know of it after the next index run ({error.message})"


def _left(left: Sequence[Left]) -> dict[str, Any]:
    return {"left": len(left), "left_files": [{"path": one.path, "reason": one.reason} for one in left[:_LISTED]]}
