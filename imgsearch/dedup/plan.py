"""What `apply` would do, shown before it is done: groups of files, and which of them are moved. On disk: plan_file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from imgsearch.dedup.evidence import TIERS, Group, Member
from imgsearch.dedup.filed_groups import FiledGroups, spill
from imgsearch.dedup.plan_check import PlanCheck

VERSION = 2
READ_VERSIONS = (1, 2)


_COUNTED = {
    "bytes": "of the same bytes",
    "pixels": "of the same pixels",
    "perceptual": "the same picture saved again",
    "near": "near copies",
    "part": "parts of another",
    "stack": "that belong to another",
    "burst": "other shots",
    "semantic": "of the same scene",
}


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """What a plan would do, in numbers. ``freed_bytes`` counts files of one name only: another name of a file on disk
    (a hard link) keeps its space taken."""

    groups: int
    files: int  # in the groups, keepers included
    moved: int
    moved_bytes: int
    freed_bytes: int
    moved_by_tier: dict[str, int]  # tiers with at least one file, strongest first
    shown_by_tier: dict[str, int]  # members that stay where they are
    companions: int = 0  # files that go along with those that are moved
    companion_bytes: int = 0  # of these, counted nowhere else

    def lines(self) -> Iterator[str]:
        """For a person, a line a fact."""
        yield f"{self.groups:,} groups of {self.files:,} files"
        yield f"{self.moved:,} files to move ({_in_words(self.moved_by_tier)}), {self.moved_bytes:,} bytes"
        if self.freed_bytes != self.moved_bytes:
            yield f"{self.freed_bytes:,} bytes of them in files without another name on the disk"
        if self.companions:
            yield f"{self.companions:,} files that belong to them go along, {self.companion_bytes:,} bytes"
        if self.shown_by_tier:
            yield f"only shown, not moved: {_in_words(self.shown_by_tier)}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Groups and what was asked for. ``roots``: where each `Copy.root_id` is, absolute; nothing outside is touched.
    Made by `make_plan` or `plan_file.read_plan`, which check it. ``groups`` are a tuple, or stay in a file and are
    parsed each time they are gone through (`FiledGroups`)."""

    groups: Sequence[Group]
    roots: dict[int, str]
    created_at: str  # ISO 8601, UTC
    library: str = ""  # the library's folder
    options: dict[str, str] = field(default_factory=dict)  # as they were given: keep rule, tiers, reference folders
    _summary: list[PlanSummary] = field(default_factory=list, init=False, compare=False, repr=False)  # once counted

    def moves(self) -> Iterator[tuple[Group, Member]]:
        """Every file to be moved, with its group, in the plan's order."""
        return ((group, member) for group in self.groups for member in group.members if member.move)

    def summary(self) -> PlanSummary:
        """Counts; one pass over the groups, the first time."""
        if not self._summary:
            tally = _Tally()
            for group in self.groups:
                tally.take(group)
            self._summary.append(tally.summary())
        return self._summary[0]

    def decided(self, moves: Mapping[str, bool], drop: Iterable[str] = ()) -> Plan:
        """The plan with other decisions: ``moves`` says by path whether a member is moved, ``drop`` names members that
        are no duplicates; groups left without members go. Raises UsageError as `check_plan` does."""
        dropped = frozenset(drop)

        def decide(group: Group) -> Group:
            kept = (member for member in group.members if member.copy.path not in dropped)
            members = (replace(member, move=moves.get(member.copy.path, member.move)) for member in kept)
            return replace(group, members=tuple(members))

        groups = (changed for group in self.groups if (changed := decide(group)).members)
        return make_plan(
            groups if isinstance(self.groups, FiledGroups) else tuple(groups),
            self.roots,
            library=self.library,
            options=self.options,
            created_at=self.created_at,
        )


def _in_words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {_COUNTED[tier]}" for tier, count in counts.items()) or "none"


class _Tally:
    """Counts what groups would do, one after the other."""

    def __init__(self) -> None:
        self._moved: Counter[str] = Counter()
        self._shown: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()

    def take(self, group: Group) -> None:
        counts = self._counts
        counts["groups"] += 1
        counts["files"] += 1 + len(group.members)
        for member in group.members:
            (self._moved if member.move else self._shown)[member.evidence.tier] += 1
            if member.move:
                counts["moved_bytes"] += member.copy.size_bytes
                counts["freed_bytes"] += member.copy.size_bytes if member.copy.links == 1 else 0
                counts["companions"] += len(member.companions)
                counts["companion_bytes"] += sum(one.size_bytes for one in member.companions)

    def summary(self) -> PlanSummary:
        counts, moved = self._counts, self._moved
        return PlanSummary(
            counts["groups"],
            counts["files"],
            moved.total(),
            counts["moved_bytes"],
            counts["freed_bytes"],
            _in_order(moved),
            _in_order(self._shown),
            counts["companions"],
            counts["companion_bytes"],
        )


def _in_order(counts: Counter[str]) -> dict[str, int]:
    return {tier: counts[tier] for tier in TIERS if counts[tier]}


def make_plan(
    groups: Iterable[Group],
    roots: Mapping[int, str | os.PathLike[str]],
    *,
    library: str | os.PathLike[str] = "",
    options: Mapping[str, str] | None = None,
    created_at: str | None = None,
) -> Plan:
    """A plan of ``groups``, sorted by the keeper's path. ``roots``: the folders of `Copy.root_id`, or the file where
    the root is one. ``created_at``: now, unless given.

    A list or a tuple stays in memory. Of anything else, such as a generator, one group is held at a time: they go to a
    nameless file in the library's folder, or among the system's temporary files where that cannot be written (1.3 kB
    a group of three, 0.5 ms). Raises UsageError as `check_plan` does, StorageFull."""
    places = {number: os.path.abspath(path) for number, path in sorted(roots.items())}  # noqa: PTH100  surrogates
    check, tally = PlanCheck(places), _Tally()
    ordered: Sequence[Group]
    if isinstance(groups, list | tuple):
        ordered = tuple(_seen(check, tally, sorted(groups, key=lambda group: group.keeper.path)))
    else:
        ordered = spill(_seen(check, tally, groups), library if Path(library).is_dir() else "")
    check.settle(ordered)
    plan = Plan(
        ordered,
        places,
        created_at or datetime.now(UTC).isoformat(timespec="seconds"),
        str(library),
        dict(sorted((options or {}).items())),
    )
    plan._summary.append(tally.summary())
    return plan


def check_plan(plan: Plan) -> Plan:
    """The plan itself, if it makes sense: else UsageError, naming the group and the file. One pass over the groups.

    A file may be named once; a keeper is never moved; files of tier bytes have the content of their keeper; nothing of
    `NEVER_MOVED` is moved, and nothing in a folder that belongs to a program; every file lies below its root,
    companions in the folder of their picture."""
    check, tally = PlanCheck(plan.roots), _Tally()
    for _ in _seen(check, tally, plan.groups):
        pass
    check.settle(plan.groups)
    plan._summary[:] = [tally.summary()]
    return plan


def _seen(check: PlanCheck, tally: _Tally, groups: Iterable[Group]) -> Iterator[Group]:
    for group in check.watched(groups):
        tally.take(group)
        yield group
