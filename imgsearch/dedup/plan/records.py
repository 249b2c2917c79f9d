"""The plan that an `apply` carries out: groups of files, and which of them are moved. On disk: `plan.file`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from imgsearch.dedup.evidence.records import Group, Member
from imgsearch.dedup.plan.check import PlanCheck
from imgsearch.dedup.plan.filed_groups import FiledGroups, spill
from imgsearch.dedup.plan.summary import PlanSummary, PlanTally

__all__ = ["READ_VERSIONS", "VERSION", "Plan", "PlanSummary", "check_plan", "make_plan"]

VERSION = 2
READ_VERSIONS = (1, 2)


@dataclass(frozen=True, slots=True)
class Plan:
    """Groups and the requested options. ``roots``: the absolute path of each `Copy.root_id`; nothing outside is
    touched. Made by `make_plan` or `read_plan`, which check it. ``groups`` are a tuple, or stay in a file and are
    parsed in each iteration (`FiledGroups`)."""

    groups: Sequence[Group]
    roots: dict[int, str]
    created_at: str  # ISO 8601, UTC
    library: str = ""  # the library's folder
    options: dict[str, str] = field(default_factory=dict)  # as given: keep rule, tiers, reference folders
    _summary: list[PlanSummary] = field(default_factory=list, init=False, compare=False, repr=False)  # once counted

    def moves(self) -> Iterator[tuple[Group, Member]]:
        """Every file to be moved, with its group, in the plan's order."""
        return ((group, member) for group in self.groups for member in group.members if member.move)

    def summary(self) -> PlanSummary:
        """Counts; one pass over the groups, the first time."""
        if not self._summary:
            tally = PlanTally()
            for group in self.groups:
                tally.take(group)
            self._summary.append(tally.summary())
        return self._summary[0]

    def decided(self, moves: Mapping[str, bool], drop: Iterable[str] = ()) -> Plan:
        """The plan with other decisions: ``moves`` says by path whether a member is moved, ``drop`` names members that
        are no duplicates; groups without members are removed. Raises UsageError as `check_plan` does."""
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


def make_plan(
    groups: Iterable[Group],
    roots: Mapping[int, str | os.PathLike[str]],
    *,
    library: str | os.PathLike[str] = "",
    options: Mapping[str, str] | None = None,
    created_at: str | None = None,
) -> Plan:
    """A plan of ``groups``, sorted by the keeper's path. ``roots``: the folder of each `Copy.root_id`, or the file if
    the root is one. ``created_at``: now by default.

    A list or a tuple stays in memory. Of anything else, such as a generator, one group is held at a time: the groups go
    to a nameless file in the library's folder, or among the system's temporary files if that is not writable (1.3 kB a
    group of three, 0.5 ms). Raises UsageError as `check_plan` does, StorageFull."""
    places = {number: os.path.abspath(path) for number, path in sorted(roots.items())}  # noqa: PTH100  surrogates
    check, tally = PlanCheck(places), PlanTally()
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
    """Returns the plan itself if it makes sense; otherwise raises UsageError, naming the group and the file. One pass
    over the groups.

    A file may be named once; a keeper is never moved; files of tier bytes have the content of their keeper; nothing of
    `NEVER_MOVED` is moved, and nothing in a folder that belongs to a program; every file lies below its root,
    companions in the folder of their image."""
    check, tally = PlanCheck(plan.roots), PlanTally()
    for _ in _seen(check, tally, plan.groups):
        pass
    check.settle(plan.groups)
    plan._summary[:] = [tally.summary()]
    return plan


def _seen(check: PlanCheck, tally: PlanTally, groups: Iterable[Group]) -> Iterator[Group]:
    for group in check.watched(groups):
        tally.take(group)
        yield group
