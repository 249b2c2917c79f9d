"""Operations on a whole library that a person requests: plain functions that take the writer lock themselves."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from imgsearch.errors import UsageError
from imgsearch.files import writer_lock
from imgsearch.storage.batch import Compacted, Forgotten, Repaired
from imgsearch.storage.store import Store
from imgsearch.storage.upkeep.compaction import compact_library
from imgsearch.storage.upkeep.repairs import repair_library
from imgsearch.storage.writer import Writer, writing


def compact(store: Store, progress: Callable[[int, int], None] | None = None, *, wait_s: float = 0.0) -> Compacted:
    """Remove deleted images from the segments. Raises LibraryBusy, SegmentDamaged, StorageFull."""
    with writing(store, wait_s=wait_s) as writer:
        return compact_library(writer, progress)


def forget(store: Store, root: Path | int, *, wait_s: float = 0.0) -> Forgotten:
    """Remove a root, by id or by path; the images stay where they are. Raises UsageError, LibraryBusy."""
    with writing(store, wait_s=wait_s) as writer:
        if isinstance(root, int):
            return writer.forget_root(root)
        absolute = Path(os.path.abspath(root))  # noqa: PTH100 - as add_root stores it
        known = store.roots()
        for candidate in known:
            if candidate.path == absolute:
                return writer.forget_root(candidate.root_id)
        names = ", ".join(str(candidate.path) for candidate in known) or "none"
        raise UsageError(f"{root} is not a folder of the library {store.path}", f"its folders are: {names}")


def repair(store: Store, progress: Callable[[int, int], None] | None = None, *, wait_s: float = 0.0) -> Repaired:
    """Drop everything damaged, so that the next index run embeds it again. Raises LibraryBusy, StorageFull."""
    # Not writing(), which refuses a damaged segment.
    with writer_lock(store.layout.lock, wait_s=wait_s), store.catalog.exclusive(wait_s=wait_s):
        writer = Writer(store)
        try:
            return repair_library(writer, progress)
        finally:
            writer.segments.close()
