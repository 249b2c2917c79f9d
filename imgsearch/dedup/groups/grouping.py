"""Turns similar pairs into groups; everything that a plan moves is first compared closely."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from itertools import islice

import numpy as np

from imgsearch.dedup.belonging.moved_together import Belongings
from imgsearch.dedup.evidence.examination import Traits, sample_facts
from imgsearch.dedup.evidence.mapping import pair_of, row_of
from imgsearch.dedup.evidence.records import NEVER_MOVED, TIERS, Copy, Evidence, Group, Pair
from imgsearch.dedup.evidence.relation import relate
from imgsearch.dedup.groups.components import component_batches, components
from imgsearch.dedup.groups.crowds import crowded_images, left_to_series
from imgsearch.dedup.groups.keep import KeepRule
from imgsearch.dedup.groups.rivals import contests, is_another_shot, is_divided, settled
from imgsearch.dedup.groups.star_groups import GroupTerms, is_link, make_groups, tell_links
from imgsearch.dedup.groups.worth import Judgement, Worth
from imgsearch.dedup.pixels.template_matching import Alignment
from imgsearch.dedup.tiers.confirmation import LOOKED_AT, RECIPE, IdPair, Known, Look, looks_at, verdicts
from imgsearch.dedup.tiers.pair_verification import PairLooks
from imgsearch.dedup.tiers.series import Shot, shot_of
from imgsearch.media.decode_pool import HardenedPool
from imgsearch.media.walking.program_folders import program_folder_above
from imgsearch.progress import StageProgress
from imgsearch.records import Failure
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.catalog.inventory import HeldFile
from imgsearch.storage.evidence.rows import Judged
from imgsearch.storage.evidence.store import EvidenceStore
from imgsearch.storage.store import Store

Failed = Callable[[Failure], None]

_COPIES = tuple(tier for tier in TIERS if tier not in NEVER_MOVED)
_TOLD_BY_TRAITS = ("part", "stack", "burst")
"""Tiers that the files' traits reveal for files that look alike: shown whether requested or not."""

_RECIPE_NEAR = f"{RECIPE}-near"  # of looks after which rejected copies were compared as near ones
_MOSTLY = 0.8  # of the blocks
_KEPT_AT_ONCE = 256  # verdicts, which a killed run loses
_BEGUN = 256  # looks that are taken before the others are known, which takes a second for 10,000 files
_REMEMBERED = 8192  # traits, parsed


class Grouping:
    """One library's evidence, ready to be grouped. Reads traits as they are needed, and the images if two files count
    as copies and only their signatures say so. ``within``: folders; groups contain only files below them, or all files
    if it is empty."""

    def __init__(
        self,
        store: Store,
        evidence: EvidenceStore,
        tiers: Sequence[str],
        acted_on: Sequence[str],
        rule: KeepRule,
        *,
        within: Sequence[str] = (),
        pool: HardenedPool | None = None,
    ) -> None:
        self._pool = pool
        self._store, self._evidence = store, evidence
        self._tiers, self._acted_on, self._rule = tiers, acted_on, rule
        self._within = within
        self._near = "near" in tiers
        self._traits = Traits(store, evidence, pool)
        self._parsed = lru_cache(maxsize=_REMEMBERED)(self._traits.get)
        self._belongings = Belongings(self._parsed)
        self.judged: dict[IdPair, Judged] = {}
        self._samples: dict[int, Worth] = {}
        self._series: frozenset[IdPair] = frozenset()
        self._looks = 0  # of the rounds before this one
        self._divided: set[int] = set()  # images of pictures that fall into several groups
        self._settled: set[tuple[int, int, int]] = set()  # contests

    def groups(self, failed: Failed, progress: StageProgress) -> Iterator[Group]:
        """The groups, by smallest image id, made one at a time after every look was taken. Results of looks are kept if
        the run is killed before. Raises ImgsearchError if no worker starts, StorageFull."""
        self.judged = self._known()
        told: set[str] = set()

        def failed_once(failure: Failure) -> None:
            if failure.path not in told:
                told.add(failure.path)
                failed(failure)

        if crowded := crowded_images(read_pairs(self._evidence, self._tiers)):
            shots = self._shots(sorted(crowded))
            self._series = left_to_series(read_pairs(self._evidence, self._tiers), crowded, shots)
        self._read_traits(failed_once, progress)
        looked = self.look(self._open_looks(None), failed_once, progress)
        while True:
            while looked and (touched := self._hanging_with(looked)):
                looked = self.look(self._open_looks(touched), failed_once, progress)
            looked = self._settle_contests(failed_once, progress)
            if not looked:
                break
        return self._belongings.settled(lambda: tell_links(self._made(self.judged)))

    def _read_traits(self, failed: Failed, progress: StageProgress) -> None:
        alike: set[int] = set()
        exact: set[int] = set()
        for pair in read_pairs(self._evidence, [tier for tier in self._tiers if tier in _COPIES]):
            alike |= {pair.first, pair.second}
            if pair.evidence.tier == "pixels":
                exact |= {pair.first, pair.second}
        self._traits.read(sorted(alike), failed, lambda done, total: progress("examining", done, total))
        for image_id, facts in sample_facts(self._evidence, sorted(exact)).items():
            self._samples[image_id] = Worth(None, bool(facts["transparent"]), int(facts["depth"]))

    def _open_looks(self, among: Collection[int] | None) -> Iterator[Look]:
        """Each pair that the present groups rest on and that was not compared closely yet, once. ``among``: whole
        components; only they are grouped. The first few come as soon as they are found, so that the processes are at
        work while the other groups are made; verdicts that come meanwhile are left out of account."""
        judged = dict(self.judged)
        groups = self._noting_divided(self._made(judged, among))
        looks = (look for group in groups for look in looks_at(group, judged.__contains__))
        begun = {look.key: look for look in islice(looks, _BEGUN)}
        yield from begun.values()
        yield from {look.key: look for look in looks if look.key not in begun}.values()

    def _noting_divided(self, groups: Iterable[Group]) -> Iterator[Group]:
        for group in groups:
            if is_divided(group):
                self._divided |= {group.keeper.image_id, *(member.copy.image_id for member in group.members)}
            yield group

    def _settle_contests(self, failed: Failed, progress: StageProgress) -> Collection[IdPair]:
        """Compare copies that may be moved for one of two shots with both, and keep what is found. Returns the pairs
        about which something is known now that was not."""
        if not self._divided:
            return ()
        among = self._components_with(self._divided)
        all_found = contests(self._made(self.judged, among), lambda: self._standing(self.judged, among), self.judged)
        found = [each for each in all_found if each.key not in self._settled]
        looks = {look.key: look for contest in found for look in contest.looks if look.key not in self.judged}
        if looks:
            return self.look(looks.values(), failed, progress)
        self._settled.update(each.key for each in found)
        told = dict(settled((each for each in found if each.standing(self.judged)), self._pool))
        self._evidence.add_judged(_RECIPE_NEAR if self._near else RECIPE, told)
        self.judged |= told
        return told.keys()

    def _hanging_with(self, looked: Collection[IdPair]) -> Collection[int]:
        """The images of the components in which one of these looks changed something; most looks confirm what was
        assumed."""
        said = ((key, self.judged[key]) for key in looked)
        changed = {image_id for key, each in said if not each.is_copy or each.altered for image_id in key}
        return self._components_with(changed) if changed else ()

    def _components_with(self, images_of: Collection[int]) -> Collection[int]:
        """All images of the components in which these are."""
        tiers = [tier for tier in TIERS if tier in self._tiers and tier != "bytes"]
        ends = np.fromiter((row[:2] for row in self._evidence.pairs(tiers)), np.dtype("i8,i8"))
        component_of, images = components(ends["f0"], ends["f1"])
        hit = np.unique(component_of[np.isin(images, list(images_of))])
        return frozenset(images[np.isin(component_of, hit)].tolist())

    def _known(self) -> dict[IdPair, Judged]:
        """Results of earlier close looks. If near copies are requested, a copy that was rejected without comparing it
        as a near one is compared again."""
        alone, near = (self._evidence.judged(recipe) for recipe in (RECIPE, _RECIPE_NEAR))
        return {key: said for key, said in alone.items() if said.is_copy or not self._near} | near

    def look(self, looks: Iterable[Look], failed: Failed, progress: StageProgress) -> Collection[IdPair]:
        """Take these looks and keep the results; if near copies are requested, also whether rejected copies are near.
        The results are then in `judged`. Returns the pairs that were looked at."""
        before = done = self._looks
        orientations: dict[IdPair, int] = {}
        known = Known(self._store, self._traits)

        def noted() -> Iterator[Look]:
            for look in looks:
                orientations[look.key] = look.orientation
                yield look

        with PairLooks(self._store, failed) if self._near else contextlib.nullcontext() as near_looks:
            for part in lookups.chunks(verdicts(noted(), known, failed, self._pool), _KEPT_AT_ONCE):
                if near_looks is not None:
                    unlike = (verdict for verdict in part if not verdict.judged.is_copy and verdict.read)
                    refuted = sorted(verdict.key for verdict in unlike if not is_another_shot(verdict.judged))
                    whys = {verdict.key: verdict.judged.why for verdict in part}
                    seen = near_looks.look(refuted)
                    pairs = (_near_pair(key, found, orientations[key], whys[key]) for key, found in seen)
                    self._evidence.add_pairs(row_of(pair) for pair in pairs if pair is not None)
                fresh = {verdict.key: verdict.judged for verdict in part if verdict.read}
                self._evidence.add_judged(_RECIPE_NEAR if self._near else RECIPE, fresh)
                self.judged |= {verdict.key: verdict.judged for verdict in part}
                done += len(part)
                progress("confirming", done, before + len(orientations))
        self._looks = done
        return orientations.keys()

    def _made(self, judged: Mapping[IdPair, Judged], among: Collection[int] | None = None) -> Iterator[Group]:
        several = self._store.images_with_several_files() if "bytes" in self._tiers else iter(())
        wanted = (image_id for image_id in several if among is None or image_id in among)
        for batch in component_batches(self._standing(judged, among), wanted):
            files = copies_of(self._store, batch.images, self._within)
            yield from make_groups(batch, files, self._terms(files, judged))

    def _terms(self, files: Mapping[int, Sequence[Copy]], judged: Mapping[IdPair, Judged]) -> GroupTerms:
        copies = [copy for held in files.values() for copy in held]
        apart = self._evidence.distinct_among(sorted({copy.facts.content_hash for copy in copies}))
        worths = {image_id: self._worth(image_id) for image_id, held in files.items() if held}
        attached = {copy.path: self._belongings.attached(copy.path) for copy in copies}
        judgement = Judgement(worths.__getitem__, judged, attached.__getitem__)
        return GroupTerms(self._rule, frozenset(apart), frozenset(self._acted_on), judgement)

    def _worth(self, image_id: int) -> Worth:
        traits = self._parsed(image_id)
        seen = self._samples.get(image_id)
        return Worth(traits) if seen is None else Worth(traits, seen.transparent, seen.depth)

    def _shots(self, image_ids: Sequence[int]) -> Mapping[int, Shot]:
        files = self._store.copies(image_ids)
        return {image_id: shot_of(held[0].path, held[0].facts) for image_id, held in files.items() if held}

    def _standing(self, judged: Mapping[IdPair, Judged], among: Collection[int] | None) -> Iterator[Pair]:
        """The pairs as their files' traits allow, except those of tier perceptual that a closer look rejected; for
        these, and for frames that are left to their series, the remaining evidence."""
        allowed = {*self._tiers, *_TOLD_BY_TRAITS}
        for pair in self._read(judged):
            if among is not None and pair.first not in among:
                continue
            evidence = relate(pair.evidence, self._parsed(pair.first), self._parsed(pair.second))
            if evidence.tier in allowed:
                yield pair if evidence is pair.evidence else Pair(pair.first, pair.second, evidence)

    def _read(self, judged: Mapping[IdPair, Judged]) -> Iterator[Pair]:
        refuted = {key for key, said in judged.items() if not said.is_copy}
        refuted |= {key for key in self._series if key not in judged}
        shots = {key for key in refuted if key in judged and is_another_shot(judged[key])}
        for pair in read_pairs(self._evidence, self._tiers):
            key = pair.first, pair.second
            if pair.evidence.tier != LOOKED_AT or key not in refuted:
                yield pair
            elif key in shots:
                yield Pair(*key, replace(pair.evidence, tier="burst", why=judged[key].why))
        refuted -= shots
        if refuted:
            for pair in read_pairs(self._evidence, [tier for tier in self._tiers if tier != LOOKED_AT]):
                if (pair.first, pair.second) in refuted:
                    yield pair


def _near_pair(key: tuple[int, int], seen: Alignment | None, orientation: int, why: str) -> Pair | None:
    """A rejected copy as a near one, if most of what both show agrees, whatever caused the rest."""
    if seen is None or (seen.kind != "near" and not (seen.kind == "other" and seen.agreement >= _MOSTLY)):
        return None
    difference, overlap = float(seen.difference), float(seen.overlap)
    return Pair(*key, Evidence("near", float(seen.score), orientation, difference=difference, overlap=overlap, why=why))


def copies_of(store: Store, image_ids: Sequence[int], within: Sequence[str] = ()) -> Mapping[int, Sequence[Copy]]:
    """Every file of these images that is reachable and may be moved at all: not a link, not reached through a linked
    folder, not inside a folder that belongs to a program; below one of the folders ``within``, if any are given."""
    tops = tuple(folder.rstrip("/") + "/" for folder in within)
    bases = {root.root_id: str(root.path) for root in store.roots()}
    real = {root_id: os.path.realpath(base) for root_id, base in bases.items()}

    @cache
    def is_linked(root_id: int, folder: str) -> bool:
        beyond = os.path.relpath(folder, bases[root_id])
        return os.path.realpath(folder) != os.path.normpath(os.path.join(real[root_id], beyond))  # noqa: PTH118

    @cache
    def is_programs(folder: str) -> bool:
        return program_folder_above(folder) is not None

    def is_own(file: HeldFile) -> bool:
        if tops and not f"{file.path}/".startswith(tops):
            return False
        if file.path != bases[file.root_id] and is_linked(file.root_id, os.path.dirname(file.path)):  # noqa: PTH120
            return False
        return not is_programs(os.path.dirname(file.path)) and not is_link(file.path)  # noqa: PTH120

    found = store.copies(image_ids)
    return {
        image_id: [
            Copy(file.path, file.root_id, file.image_id, file.size_bytes, file.mtime_ns, file.facts)
            for file in files
            if not file.offline and is_own(file)
        ]
        for image_id, files in found.items()
    }


def read_pairs(evidence: EvidenceStore, tiers: Sequence[str]) -> Iterator[Pair]:
    """The pairs of the evidence store, each with the strongest of ``tiers``."""
    ranked = [tier for tier in TIERS if tier in tiers and tier != "bytes"]
    return map(pair_of, evidence.pairs(ranked)) if ranked else iter(())
