"""Finds copies that could be copies of two pictures which are no copies of each other.

Two shots of one scene look alike, and a small or strongly compressed copy of one looks like both. It is moved for its
own source or not at all: what tells the two apart must be found in the copy (`pixels.inspection.cells`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from imgsearch.dedup.evidence.examination import file_pool
from imgsearch.dedup.evidence.records import Copy, Evidence, Group, Pair
from imgsearch.dedup.pixels.inspection.cells import COPY_OF_EITHER, NEARER_TO_ANOTHER, belongs_to, cells_for
from imgsearch.dedup.pixels.inspection.grain import PERHAPS_ANOTHER_SHOT
from imgsearch.dedup.tiers.confirmation import LOOKED_AT, IdPair, Look
from imgsearch.media.decode_pool import HardenedPool, Job, JobResult
from imgsearch.media.decode_pool.batches import Bounds, in_batches, run_batches
from imgsearch.records import Float32
from imgsearch.storage.evidence.rows import Judged

_ONE_PICTURE = ("pixels", "part", "stack")  # equal samples, an edit, a RAW: either is a source of the copy
_SHOT = "another shot"  # what the reasons of looks begin with that find two shots of one scene
_SAME_SIZE, _AS_LARGE = 1.05, 1.5
_MOST_RIVALS = 4  # of one copy: those most like it
_TOGETHER = Bounds(jobs=16, cost=24_000_000)  # pictures and their pixels in a job


@dataclass(frozen=True, slots=True)
class Contest:
    """``copy`` is to be moved for ``keeper``, and looks like ``rival``, which is no copy of the keeper as far as is
    known. ``looks``: the pairs among them that only signatures support."""

    copy: Copy
    keeper: Copy
    rival: Copy
    looks: tuple[Look, ...]

    @property
    def pair(self) -> IdPair:
        """The copy and its keeper."""
        return key_of(self.copy, self.keeper)

    @property
    def key(self) -> tuple[int, int, int]:
        """The ids of the three images."""
        return self.copy.image_id, self.keeper.image_id, self.rival.image_id

    def standing(self, judged: Mapping[IdPair, Judged]) -> bool:
        """Whether both looks that matter were taken, and the copy may be one of either."""
        copied, same = (judged.get(key_of(self.rival, each)) for each in (self.copy, self.keeper))
        return (copied is None or copied.is_copy) and (same is None or is_perhaps_another(same))


def is_another_shot(said: Judged) -> bool:
    """Whether a look found two shots of one scene."""
    return not said.is_copy and said.why.startswith(_SHOT)


def is_perhaps_another(said: Judged) -> bool:
    """Whether a look did not find one picture beyond doubt."""
    return not said.is_copy or said.why == PERHAPS_ANOTHER_SHOT


def key_of(one: Copy, other: Copy) -> IdPair:
    """The two image ids, the lower first."""
    first, second = sorted((one.image_id, other.image_id))
    return first, second


def is_divided(group: Group) -> bool:
    """Whether another group shows versions of the same picture, or a member is only like another member."""
    return group.picture > 0 or any(
        member.through is not None or member.stays == PERHAPS_ANOTHER_SHOT for member in group.members
    )


def contests(
    groups: Iterable[Group], pairs: Callable[[], Iterable[Pair]], judged: Mapping[IdPair, Judged]
) -> list[Contest]:
    """The contests among these groups; ``pairs``: those that stand among their images; ``judged``: looks so far."""
    keeper_of: dict[int, Copy] = {}
    copy_of: dict[int, Copy] = {}
    moved: set[int] = set()
    for group in groups:
        keeper = group.keeper
        keeper_of[keeper.image_id] = copy_of[keeper.image_id] = keeper
        for member in group.members:
            copy_of.setdefault(member.copy.image_id, member.copy)
            if member.through is None:
                keeper_of.setdefault(member.copy.image_id, keeper)
            if member.move and member.evidence.tier == LOOKED_AT:
                moved.add(member.copy.image_id)
    if not moved:
        return []
    evidence: dict[IdPair, Evidence] = {}
    alike: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for pair in pairs():
        evidence[pair.first, pair.second] = pair.evidence
        for copied, other in ((pair.first, pair.second), (pair.second, pair.first)):
            if copied in moved and other in copy_of and _may_be_moved(pair.evidence):
                alike[copied].append((-pair.evidence.score, other))
    found = []
    for copied, others in alike.items():
        keeper = keeper_of[copied]
        sources = ((score, other) for score, other in others if _may_be_source(copy_of[other], copy_of[copied], keeper))
        for _, other in sorted(sources)[: _MOST_RIVALS + 1]:
            held = keeper_of.get(other)
            between = evidence.get(key_of(keeper, copy_of[other]))
            if other == keeper.image_id:
                continue
            if held is not None and held.image_id == keeper.image_id and not _is_doubtful(other, keeper, judged):
                continue
            if between is not None and between.tier in _ONE_PICTURE:
                continue
            found.append(_contest(copy_of[copied], keeper, copy_of[other], evidence))
    return found


def _may_be_source(rival: Copy, copy: Copy, keeper: Copy) -> bool:
    """Whether the rival was not more strongly compressed or made smaller than the keeper: two copies made in the same
    way have the same errors, and are nearer to each other than either to its source."""
    area = rival.facts.width * rival.facts.height
    if area * _SAME_SIZE < max(each.facts.width * each.facts.height for each in (copy, keeper)):
        return False
    if rival.facts.format != keeper.facts.format:
        return True
    return rival.size_bytes * _AS_LARGE >= keeper.size_bytes and rival.size_bytes * _SAME_SIZE >= copy.size_bytes


def _is_doubtful(other: int, keeper: Copy, judged: Mapping[IdPair, Judged]) -> bool:
    said = judged.get((min(other, keeper.image_id), max(other, keeper.image_id)))
    return said is not None and is_perhaps_another(said)


def _contest(copy: Copy, keeper: Copy, rival: Copy, evidence: Mapping[IdPair, Evidence]) -> Contest:
    keys = {key_of(rival, each): (rival, each) for each in (copy, keeper)}
    looks = []
    for key, two in keys.items():
        seen = evidence.get(key)
        if seen is not None and seen.tier == LOOKED_AT:
            first, second = sorted(two, key=lambda each: each.image_id)
            looks.append(Look(first, second, seen.orientation))
    return Contest(copy, keeper, rival, tuple(looks))


def _may_be_moved(evidence: Evidence) -> bool:
    return evidence.tier == LOOKED_AT and evidence.orientation == 1


def settled(standing: Iterable[Contest], pool: HardenedPool | None = None) -> Iterator[tuple[IdPair, Judged]]:
    """What is to be changed about the copy of each contest and its keeper: they are no copies if it is a copy of the
    rival, and it stays if nothing tells. Nothing is to be changed if it is the keeper's. Reads each picture once."""
    found = list(standing)
    with file_pool(pool) as processes:
        means = _means(found, processes)
    for contest in found:
        three = [means.get(key) for key in _wanted(contest)]
        owner = 0
        if three[0] is not None and three[1] is not None and three[2] is not None:
            owner = belongs_to(three[0], three[1], three[2])
        if owner == 2:
            yield contest.pair, Judged(False, NEARER_TO_ANOTHER)
        elif owner == 0:
            yield contest.pair, Judged(True, COPY_OF_EITHER, True)


_Wanted = tuple[int, tuple[int, int]]  # image id, cells across and down


def _wanted(contest: Contest) -> list[_Wanted]:
    three = (contest.copy, contest.keeper, contest.rival)
    smallest = min(((each.facts.width, each.facts.height) for each in three), key=lambda size: size[0] * size[1])
    return [(each.image_id, cells_for(smallest)) for each in three]


def _means(found: Iterable[Contest], pool: HardenedPool) -> dict[_Wanted, Float32]:
    """The means that these contests need; of files that cannot be read none."""
    jobs: dict[_Wanted, Job] = {}
    for contest in found:
        for key, copy in zip(_wanted(contest), (contest.copy, contest.keeper, contest.rival), strict=True):
            jobs[key] = Job([copy.path, copy.facts.content_hash, *key[1]], copy.size_bytes, (key, copy))
    means = {}
    for job, outcome in run_batches(pool, "cells", in_batches(jobs.values(), _TOGETHER, _pixels)):
        (image_id, cells), _ = job.tag
        if isinstance(outcome, JobResult):
            means[image_id, cells] = np.frombuffer(outcome.body, np.float32).reshape(cells[1], cells[0])
    return means


def _pixels(job: Job) -> int:
    _, copy = job.tag
    return int(copy.facts.width * copy.facts.height)
