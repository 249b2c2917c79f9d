"""The page's search for duplicates: what `imgsearch dedup find --library` does, without anything moved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imgsearch.progress import StageProgress


def find_duplicates(library: Path, progress: StageProgress) -> dict[str, Any]:
    """Compare the library's images and write the plan that the page reviews. -> counts, as the API tells them. Raises
    LibraryBusy beside another run, StorageFull."""
    from imgsearch.dedup.evidence.examination import file_pool
    from imgsearch.dedup.evidence.records import ACTED_ON, TIERS
    from imgsearch.dedup.find import COPIES, SHOWN, FindOptions, compare, groups_of
    from imgsearch.dedup.plan.file import write_plan
    from imgsearch.dedup.plan.records import make_plan
    from imgsearch.dedup.plan.review import PLAN
    from imgsearch.records import is_model_free
    from imgsearch.storage import open_store

    with open_store(library) as store:
        store.layout.require_writable("make the library's folder writable: the plan is kept there")
        asked = COPIES if is_model_free(store.model) else SHOWN
        tiers = tuple(tier for tier in TIERS if tier in asked)
        options = FindOptions(tiers, tuple(tier for tier in ACTED_ON if tier in tiers))
        evidence = store.evidence()
        with evidence.running(), file_pool() as pool:
            found = compare(store, evidence, options.tiers, progress, pool=pool)
            groups = groups_of(store, evidence, options, found.failures.append, progress, pool=pool)
        told = {"tiers": ",".join(options.tiers), "act_on": ",".join(options.acted_on), "keep": options.rule.text}
        roots = {root.root_id: root.path for root in store.roots()}
        plan = make_plan(groups, roots, library=store.path, options=told)
        write_plan(plan, store.layout.dedup / PLAN)
    summary = plan.summary()
    return {
        "images": found.pictures,
        "groups": len(plan.groups),
        "copies": summary.moved,
        "freed_bytes": summary.freed_bytes,
        "failed": len(found.failures),
    }
