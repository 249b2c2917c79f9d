"""The page's search for duplicates: what `imgsearch dedup find --library` does, without anything moved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imgsearch.progress import StageProgress


def find_duplicates(library: Path, progress: StageProgress) -> dict[str, Any]:
    """Compare the library's images and write the plan that the page reviews. -> counts, as the API tells them. Raises
    LibraryBusy beside another run, StorageFull."""
    from imgsearch.dedup.evidence.records import ACTED_ON
    from imgsearch.dedup.find import COPIES, SHOWN, FindOptions, find_copies
    from imgsearch.dedup.plan.review import PLAN
    from imgsearch.records import is_model_free
    from imgsearch.storage import open_store

    with open_store(library) as store:
        store.layout.require_writable("make the library's folder writable: the plan is kept there")
        tiers = COPIES if is_model_free(store.model) else SHOWN
        options = FindOptions(tiers, tuple(tier for tier in ACTED_ON if tier in tiers))
        plan, found = find_copies(store, options, store.layout.dedup / PLAN, progress)
    summary = plan.summary()
    return {
        "images": found.pictures,
        "groups": len(plan.groups),
        "copies": summary.moved,
        "freed_bytes": summary.freed_bytes,
        "failed": len(found.failures),
    }
