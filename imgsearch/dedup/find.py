"""One run over a library: compares new images with all images, keeps the results in the library's evidence, and makes
groups of them, and a plan of the groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from imgsearch.dedup.evidence.examination import file_pool
from imgsearch.dedup.evidence.mapping import row_of
from imgsearch.dedup.evidence.records import ACTED_ON, Group
from imgsearch.dedup.evidence.signature_backfill import fill_signatures
from imgsearch.dedup.groups.grouping import Grouping, copies_of, read_pairs
from imgsearch.dedup.groups.keep import KeepRule, parse_keep
from imgsearch.dedup.plan.file import write_plan
from imgsearch.dedup.plan.records import Plan, make_plan
from imgsearch.dedup.tiers import exact, perceptual
from imgsearch.media.decode_pool import HardenedPool
from imgsearch.progress import StageProgress, StepProgress, stage_of
from imgsearch.records import Failure, Int64
from imgsearch.storage.catalog.inventory import Inventory
from imgsearch.storage.evidence.store import EvidenceStore
from imgsearch.storage.store import Store

__all__ = ["FindCounts", "FindOptions", "compare", "copies_of", "find_copies", "groups_of", "read_pairs"]

COPIES = ("bytes", "pixels", "perceptual")
"""The tiers compared if there are no vectors: they need files alone."""

SHOWN = ("bytes", "pixels", "perceptual", "near", "part", "stack", "burst")
"""The tiers compared by default."""

_BY_EMBEDDING = ("near", "burst", "semantic")
_AT_ONCE = 50_000
"""New images compared before the results are kept; a killed run loses as many. An index of a million hashes takes two
seconds to build, once for each such part."""


@dataclass(frozen=True, slots=True)
class FindOptions:
    """``tiers``: those that are compared; ``acted_on``: those of them that a plan moves; ``rule``: which copy is kept;
    ``within``: only files below these folders are grouped, named like the library's roots; if empty, all files."""

    tiers: tuple[str, ...] = SHOWN
    acted_on: tuple[str, ...] = ACTED_ON
    rule: KeepRule = field(default_factory=parse_keep)
    within: tuple[str, ...] = ()

    def as_text(self) -> dict[str, str]:
        """What a plan records of them; not ``within``, which a plan names as it was typed."""
        told = {"tiers": ",".join(self.tiers), "act_on": ",".join(self.acted_on), "keep": self.rule.text}
        return told | ({"reference": "\n".join(self.rule.reference)} if self.rule.reference else {})


@dataclass(slots=True)
class FindCounts:
    """Counts of a run: images in the library, how many of them were new to each stage, files that could not be read."""

    pictures: int = 0
    new: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)


def find_copies(
    store: Store, options: FindOptions, path: Path, progress: StageProgress, *, also_recorded: Mapping[str, str] = {}
) -> tuple[Plan, FindCounts]:
    """Compare, make groups and a plan of them, and write it to ``path``; nothing is moved. The plan records the options
    and ``also_recorded``. Raises LibraryBusy beside another run, StorageFull, and UsageError if ``path`` is a folder.
    """
    evidence = store.evidence()
    with evidence.running(), file_pool() as pool:
        found = compare(store, evidence, options.tiers, progress, pool=pool)
        groups = groups_of(store, evidence, options, found.failures.append, progress, pool=pool)
    roots = {root.root_id: root.path for root in store.roots()}
    plan = make_plan(groups, roots, library=store.path, options={**options.as_text(), **also_recorded})
    write_plan(plan, path)
    return plan, found


def compare(
    store: Store,
    evidence: EvidenceStore,
    tiers: Sequence[str],
    progress: StageProgress,
    *,
    pool: HardenedPool | None = None,
) -> FindCounts:
    """Compare new images with all images, for ``tiers``; after a kill it goes on where it was. Raises LibraryBusy
    beside another run, StorageFull. ``pool``, if given, reads the files, here and in `groups_of`."""
    inventory = store.inventory()
    found = FindCounts(pictures=len(inventory))
    evidence.keep_only(inventory.image_ids)
    lacking = store.unsigned(inventory.image_ids) if set(tiers) - {"bytes"} else np.empty(0, np.int64)
    if len(lacking):
        lacking = fill_signatures(store, lacking, found.failures.append, stage_of(progress, "reading"))
    if "pixels" in tiers:
        _compare_pixels(store, evidence, inventory, found, progress, pool)
    if "perceptual" in tiers:
        _compare_hashes(store, evidence, inventory, lacking, found, progress)
    if set(tiers) & set(_BY_EMBEDDING):
        _compare_vectors(store, evidence, inventory, found, progress)
    found.failures = list({failure.path: failure for failure in found.failures}.values())
    return found


def groups_of(
    store: Store,
    evidence: EvidenceStore,
    options: FindOptions,
    failed: Callable[[Failure], None],
    progress: StageProgress,
    *,
    pool: HardenedPool | None = None,
) -> Iterator[Group]:
    """The groups that follow from the evidence (`grouping`)."""
    grouping = Grouping(
        store, evidence, options.tiers, options.acted_on, options.rule, within=options.within, pool=pool
    )
    return grouping.groups(failed, progress)


def _compare_pixels(
    store: Store,
    evidence: EvidenceStore,
    inventory: Inventory,
    found: FindCounts,
    progress: StageProgress,
    pool: HardenedPool | None,
) -> None:
    new = _new(evidence, exact.KIND, exact.RECIPE, ("pixels",), inventory.image_ids, found)
    before = len(found.failures)
    pairs = exact.same_pixels(
        store,
        evidence,
        new,
        found.failures.append,
        inventory=inventory,
        progress=stage_of(progress, "pixels"),
        pool=pool,
    )
    evidence.add_pairs(map(row_of, pairs))
    if len(found.failures) == before:  # otherwise the next run reads all of them again; digests that were read are kept
        evidence.mark_compared(exact.KIND, exact.RECIPE, new)


def _compare_hashes(
    store: Store,
    evidence: EvidenceStore,
    inventory: Inventory,
    lacking: Int64,
    found: FindCounts,
    progress: StageProgress,
) -> None:
    signed = np.setdiff1d(inventory.image_ids, lacking)
    new = _new(evidence, perceptual.KIND, perceptual.RECIPE, ("perceptual",), signed, found)
    for part, others, told in _in_parts(inventory, new, _AT_ONCE, stage_of(progress, "hashes")):
        evidence.add_pairs(map(row_of, perceptual.perceptual_pairs(store, part, inventory=others, progress=told)))
        evidence.mark_compared(perceptual.KIND, perceptual.RECIPE, part)


def _compare_vectors(
    store: Store, evidence: EvidenceStore, inventory: Inventory, found: FindCounts, progress: StageProgress
) -> None:
    from imgsearch.dedup.groups import near

    new = _new(evidence, near.KIND, near.RECIPE, _BY_EMBEDDING, inventory.image_ids, found)
    told = stage_of(progress, "embeddings")
    near.compare_near(store, evidence, new, found.failures.append, inventory=inventory, progress=told)


def _in_parts(
    inventory: Inventory, new: Int64, size: int, progress: StepProgress
) -> Iterator[tuple[Int64, Inventory, StepProgress]]:
    """The new ids part by part, each with the ids to compare it with (all but the parts that follow, which come later)
    and with a ``progress`` of its own that continues the count."""
    for at in range(0, len(new), size):
        later = inventory.rows(new[at + size :])
        others = inventory.take(np.setdiff1d(np.arange(len(inventory)), later))

        def told(done: int, total: int, before: int = at) -> None:
            progress(before + done, len(new))

        yield new[at : at + size], others, told


def _new(
    evidence: EvidenceStore, kind: str, recipe: str, tiers: Sequence[str], image_ids: Int64, found: FindCounts
) -> Int64:
    evidence.renew(kind, recipe, tiers)
    new = evidence.not_compared(kind, recipe, image_ids)
    found.new[kind] = len(new)
    return new
