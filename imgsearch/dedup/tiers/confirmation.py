"""Compares the members of groups at full size, before a plan may move them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from imgsearch.dedup.evidence.examination import Traits, file_pool
from imgsearch.dedup.evidence.records import Copy, Group, Member
from imgsearch.dedup.tiers.moved_levels import levels_move
from imgsearch.media.decode_pool import HardenedPool, Job, JobResult
from imgsearch.media.decode_pool.batches import Bounds, in_batches, run_batches
from imgsearch.media.signature import INVERSE_ORIENTATION
from imgsearch.records import Failure
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.evidence.rows import Judged
from imgsearch.storage.store import Store

IdPair = tuple[int, int]

LOOKED_AT = "perceptual"
"""The tier that is decided by signatures of 32 x 32 and nothing else."""

RECIPE = "6"
"""Names the deciding rules: raise it when `inspection` changes, and pairs are compared again."""

_TOGETHER = Bounds(jobs=16, cost=48_000_000)
"""Looks and their pixels in a job: 0.1 s for drawings of 224 px, two looks that share an image for 12 megapixels."""


_SIGNED_AT_ONCE = 64  # looks whose signatures are read together


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result for the pair ``key`` (image ids in order) of a keeper and a member."""

    key: IdPair
    judged: Judged
    read: bool = True  # False: one of the two could not be read now


@dataclass(frozen=True, slots=True)
class Look:
    """Two files to be compared, by image id; ``orientation`` makes the second look like the first."""

    first: Copy
    second: Copy
    orientation: int

    @property
    def key(self) -> IdPair:
        return self.first.image_id, self.second.image_id


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a library's images before a look."""

    store: Store
    traits: Traits


def looks_at(group: Group, known: Callable[[IdPair], bool]) -> Iterator[Look]:
    """The pairs that the members rest on, of those that only signatures support and that are not ``known``."""
    for member in group.members:
        against = member.through or group.keeper
        if member.evidence.tier == LOOKED_AT and not known(pair_key(against, member)):
            if against.image_id < member.copy.image_id:
                yield Look(against, member.copy, member.evidence.orientation)
            else:
                yield Look(member.copy, against, INVERSE_ORIENTATION[member.evidence.orientation])


def verdicts(
    looks: Iterable[Look],
    known: Known,
    failed: Callable[[Failure], None],
    pool: HardenedPool | None = None,
) -> Iterator[Verdict]:
    """The results of ``looks``, in any order. An unreadable file is reported to ``failed`` and makes the pair no copy.
    Both files are decoded at full size, a file in several consecutive looks once: 6 ms for drawings of 224 px, about a
    second of one core for 12 megapixels."""
    told: set[str] = set()
    jobs = _jobs(looks, known)
    with file_pool(pool) as processes:
        for job, outcome in run_batches(processes, "inspect", in_batches(jobs, _TOGETHER, _pixels)):
            look: Look = job.tag
            if isinstance(outcome, JobResult):
                head = outcome.head
                yield Verdict(look.key, Judged(bool(head["same"]), str(head["why"]), bool(head["altered"])))
                continue
            for copy in (look.first, look.second):
                if outcome.message.startswith(copy.path + ": ") and copy.path not in told:
                    told.add(copy.path)
                    reason = outcome.message.removeprefix(copy.path + ": ")
                    failed(Failure(copy.path, outcome.stage, reason, outcome.transient, copy.size_bytes, copy.mtime_ns))
            yield Verdict(look.key, Judged(False, "it could not be read"), read=False)


def pair_key(against: Copy, member: Member) -> IdPair:
    """The two image ids, the lower first."""
    first, second = sorted((against.image_id, member.copy.image_id))
    return first, second


def _jobs(looks: Iterable[Look], known: Known) -> Iterator[Job]:
    for part in lookups.chunks(looks, _SIGNED_AT_ONCE):
        ends = np.array([look.key for look in part], np.int64)
        there, signatures = known.store.signatures(ends.ravel())
        both = there.reshape(-1, 2).all(axis=1)
        moves = both & levels_move(signatures[::2], signatures[1::2], [look.orientation for look in part])
        yield from (_job(look, known.traits, moved) for look, moved in zip(part, moves.tolist(), strict=True))


def _job(look: Look, traits: Traits, moves: bool) -> Job:
    sides: list[Any] = []
    for copy in (look.first, look.second):
        known = traits.get(copy.image_id)
        sides.append([copy.path, copy.facts.content_hash, copy.size_bytes, known is None or known.has_alpha])
    return Job([*sides, look.orientation, moves], look.first.size_bytes + look.second.size_bytes, look)


def _pixels(job: Job) -> int:
    look: Look = job.tag
    return sum(copy.facts.width * copy.facts.height for copy in (look.first, look.second))
