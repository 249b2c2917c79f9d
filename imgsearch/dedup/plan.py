"""What `apply` would do, shown before it is done: groups of files, and which of them are moved. On disk: plan_file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from imgsearch.dedup.evidence import NEVER_MOVED, TIERS, Copy, Group, Member
from imgsearch.errors import UsageError

VERSION = 1
_HINT = "write a new plan with `imgsearch dedup find`"


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

    def lines(self) -> Iterator[str]:
        """For a person, a line a fact."""
        yield f"{self.groups:,} groups of {self.files:,} files"
        tiers = ", ".join(f"{count:,} {tier}" for tier, count in self.moved_by_tier.items())
        yield f"{self.moved:,} files to move ({tiers or 'none'}), {self.moved_bytes:,} bytes"
        if self.freed_bytes != self.moved_bytes:
            yield f"{self.freed_bytes:,} bytes of them in files without another name on the disk"
        if self.shown_by_tier:
            tiers = ", ".join(f"{count:,} {tier}" for tier, count in self.shown_by_tier.items())
            yield f"only shown, not moved: {tiers}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Groups and what was asked for. ``roots``: where each `Copy.root_id` is, absolute; nothing outside is touched.
    Made by `make_plan` or `plan_file.read_plan`, which check it."""

    groups: tuple[Group, ...]
    roots: dict[int, str]
    created_at: str  # ISO 8601, UTC
    library: str = ""  # the library's folder
    options: dict[str, str] = field(default_factory=dict)  # as they were given: keep rule, tiers, reference folders

    def moves(self) -> Iterator[tuple[Group, Member]]:
        """Every file to be moved, with its group, in the plan's order."""
        return ((group, member) for group in self.groups for member in group.members if member.move)

    def summary(self) -> PlanSummary:
        """Counts; one pass over the groups."""
        moved: Counter[str] = Counter()
        shown: Counter[str] = Counter()
        moved_bytes = freed_bytes = files = 0
        for group in self.groups:
            files += 1 + len(group.members)
            for member in group.members:
                (moved if member.move else shown)[member.evidence.tier] += 1
                if member.move:
                    moved_bytes += member.copy.size_bytes
                    freed_bytes += member.copy.size_bytes if member.copy.links == 1 else 0
        return PlanSummary(
            len(self.groups), files, moved.total(), moved_bytes, freed_bytes, _in_order(moved), _in_order(shown)
        )

    def decided(self, moves: Mapping[str, bool], drop: Iterable[str] = ()) -> Plan:
        """The plan with other decisions: ``moves`` says by path whether a member is moved, ``drop`` names members that
        are no duplicates; groups left without members go. Raises UsageError as `check_plan` does."""
        dropped = frozenset(drop)
        groups = []
        for group in self.groups:
            members = tuple(
                replace(member, move=moves.get(member.copy.path, member.move))
                for member in group.members
                if member.copy.path not in dropped
            )
            if members:
                groups.append(replace(group, members=members))
        return check_plan(replace(self, groups=tuple(groups)))


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
    the root is one. ``created_at``: now, unless given. Raises UsageError as `check_plan` does."""
    ordered = tuple(sorted(groups, key=lambda group: group.keeper.path))
    return check_plan(
        Plan(
            ordered,
            {number: os.path.abspath(path) for number, path in sorted(roots.items())},  # noqa: PTH100  surrogates
            created_at or datetime.now(UTC).isoformat(timespec="seconds"),
            str(library),
            dict(sorted((options or {}).items())),
        )
    )


def check_plan(plan: Plan) -> Plan:
    """The plan itself, if it makes sense: else UsageError, naming the group and the file.

    A file may be named once; a keeper is never moved; files of tier bytes have the content of their keeper; nothing of
    `NEVER_MOVED` is moved; every file lies below its root."""
    seen: dict[str, str] = {}
    for number, group in enumerate(plan.groups):
        place = f"groups[{number}]"
        _check_file(group.keeper, f"{place}.keeper", plan.roots, seen)
        if not group.members:
            raise _bad(place, "no members", "at least one file besides the keeper")
        for index, member in enumerate(group.members):
            where = f"{place}.members[{index}]"
            _check_file(member.copy, where, plan.roots, seen)
            _check_member(member, group.keeper, where)
    _check_kept(plan, seen)
    return plan


def _check_file(copy: Copy, where: str, roots: Mapping[int, str], seen: dict[str, str]) -> None:
    path, root = copy.path, roots.get(copy.root_id)
    if root is None:
        raise _bad(where, f"root {copy.root_id}", f"one of {sorted(roots)}")
    if "\0" in path or os.path.normpath(path) != path or not Path(path).is_absolute():
        raise _bad(where, f"path {path!r}", "an absolute path without '..'")
    if path != root and not path.startswith(root.rstrip("/") + "/"):
        raise _bad(where, f"path {path!r}", f"a path below its root {root!r}")
    if path in seen:
        raise _bad(where, f"path {path!r}, which is {seen[path]} too", "each file once")
    seen[path] = where


def _check_member(member: Member, keeper: Copy, where: str) -> None:
    tier = member.evidence.tier
    if member.move and tier in NEVER_MOVED:
        raise _bad(where, f"move true for tier {tier}", "false: such pictures are never moved")
    if tier == "bytes" and member.copy.facts.content_hash != keeper.facts.content_hash:
        raise _bad(where, "tier bytes with another sha256 than the keeper's", "the same sha256, or another tier")


def _check_kept(plan: Plan, seen: Mapping[str, str]) -> None:
    """A reference file may be noted in several groups and be a keeper, never a member."""
    for number, group in enumerate(plan.groups):
        for index, one in enumerate(group.kept):
            where = f"groups[{number}].kept[{index}]"
            _check_file(one.copy, where, plan.roots, {})
            if ".members[" in seen.get(one.copy.path, ""):
                raise _bad(where, f"path {one.copy.path!r}, which is {seen[one.copy.path]} too", "kept or member")


def _bad(where: str, got: str, expected: str) -> UsageError:
    return UsageError(f"the plan is not valid at {where}: got {got}, expected {expected}", _HINT)
