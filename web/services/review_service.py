"""The review of duplicates: the plan that find wrote, the decisions so far, and counts of both. Kept between requests,
and read again when a file of either has changed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from imgsearch.dedup.evidence.records import TIERS, Evidence, Group
from imgsearch.dedup.plan.file import read_plan, write_plan
from imgsearch.dedup.plan.records import Plan
from imgsearch.dedup.plan.review import (
    ACCEPTED,
    PLAN,
    UNDECIDED,
    Decision,
    Decisions,
    accepted_plan,
    decided,
    group_key,
    reference_folders,
    stored_evidence,
)
from imgsearch.dedup.quarantine.folder import RunInfo, run_folders, runs
from imgsearch.dedup.reports.report_page import freed_bytes, weakest_tier
from imgsearch.storage import Store
from imgsearch.storage.evidence.store import EvidenceStore
from web.problems import Conflict, NotFound, printable

_ALSO = 12  # other groups of an image that are named
_Stamp = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class ReviewGroup:
    """A group after the decisions about it."""

    key: str
    original: Group
    group: Group | None  # None if nothing is left of it
    decision: Decision
    also: tuple[tuple[str, str], ...] = ()  # other groups of this image: their key and their keeper's path

    @property
    def tier(self) -> str:
        """The weakest tier of the moved files."""
        return weakest_tier(self.group or self.original)

    @property
    def movable(self) -> bool:
        """Whether accepting it would move anything."""
        return self.group is not None and any(member.move for member in self.group.members)


@dataclass(slots=True)
class _Read:
    """A plan after reading: its groups by key, in its order."""

    stamp: _Stamp = None
    plan: Plan | None = None
    groups: dict[str, Group] = field(default_factory=dict)
    pictures: dict[int, list[str]] = field(default_factory=dict)  # keys of the groups of one image

    def also(self, key: str) -> tuple[tuple[str, str], ...]:
        """Other groups that show the image of this one, the first dozen."""
        others = (other for other in self.pictures.get(self.groups[key].picture, ()) if other != key)
        return tuple((other, self.groups[other].keeper.path) for other in islice(others, _ALSO))


def _read_groups(stamp: _Stamp, plan: Plan) -> _Read:
    found = _Read(stamp, plan, {group_key(group): group for group in plan.groups})
    for key, group in found.groups.items():
        if group.picture:
            found.pictures.setdefault(group.picture, []).append(key)
    return found


@dataclass(frozen=True, slots=True)
class _Disk:
    """The contents of the quarantine, and the plan's files that are not at their places; checked again when the plan
    or a journal has changed."""

    stamp: tuple[object, ...] = ()
    runs: tuple[RunInfo, ...] = ()
    missing: frozenset[str] = frozenset()


class ReviewService:
    """Safe between threads. A plan of 30,000 groups takes 3 s to read once and 85 MB while it is kept; its counts
    0.1 s, 0.7 s once all of it is decided."""

    def __init__(self, store: Store) -> None:
        self._folder, self._quarantine = store.layout.dedup, store.layout.quarantine
        self._lock = threading.Lock()
        self._plan = _Read()
        self._disk = _Disk()
        self._decided: tuple[_Stamp, dict[str, Decision]] = (None, {})
        self.decisions = Decisions(self._folder)

    def plan(self) -> Plan | None:
        """The last plan of find; None if there is none. Raises UsageError for a file that is not a plan."""
        return self._read().plan

    def decided(self) -> dict[str, Decision]:
        """Decisions by group; not to be changed."""
        stamp = _stamp(self.decisions.path)
        with self._lock:
            if self._decided[0] != stamp or stamp is None:
                self._decided = (stamp, self.decisions.read())
            return self._decided[1]

    def shown(self) -> Iterator[ReviewGroup]:
        """Every group, in the plan's order."""
        decisions, known, missing = self.decided(), self._read(), self._on_disk().missing
        return (self._shown(known, key, group, decisions, missing) for key, group in known.groups.items())

    def find(self, key: str) -> ReviewGroup:
        """Raises NotFound."""
        known = self._read()
        if key not in known.groups:
            raise NotFound(f"the plan has no group {printable(key[:40])!r}", "load the page again: the plan may be new")
        return self._shown(known, key, known.groups[key], self.decided(), self._on_disk().missing)

    def evidence(self) -> EvidenceStore:
        """The store that records which images are no duplicates."""
        return EvidenceStore(self._folder)

    def runs(self) -> list[RunInfo]:
        """Runs that have files in the quarantine, the newest first."""
        return [run for run in reversed(self._on_disk().runs) if run.moved]

    def known_run(self, run_id: str) -> str:
        """``run_id``, if the quarantine holds files of that run. Raises NotFound."""
        if all(run.run_id != run_id for run in self.runs()):
            raise NotFound(f"the quarantine holds no files of a run {printable(run_id[:60])!r}", "it may be undone")
        return run_id

    def write_accepted(self) -> None:
        """Write the plan for an apply. Raises Conflict if nothing is accepted."""
        plan = self.plan()
        accepted = None if plan is None else accepted_plan(plan, self.decided(), self._evidence_of)
        if accepted is None or not accepted.groups:
            raise Conflict("no group is accepted, so there is nothing to move", "accept some first")
        write_plan(accepted, self._folder / ACCEPTED)

    def _read(self) -> _Read:
        path = self._folder / PLAN
        stamp = _stamp(path)
        with self._lock:
            if stamp is None:
                self._plan = _Read()
            elif self._plan.stamp != stamp:
                self._plan = _read_groups(stamp, read_plan(path))
            return self._plan

    def _on_disk(self) -> _Disk:
        known = self._read()
        journals = tuple((run.path, _stamp(run.journal)) for run in run_folders(self._quarantine))
        stamp = (known.stamp, journals)
        with self._lock:
            if self._disk.stamp != stamp:
                members = (member for group in known.groups.values() for member in group.members)
                missing = frozenset(one.copy.path for one in members if not os.path.lexists(one.copy.path))
                self._disk = _Disk(stamp, tuple(runs(self._quarantine)), missing)
            return self._disk

    def _shown(
        self, known: _Read, key: str, group: Group, decisions: Mapping[str, Decision], missing: frozenset[str]
    ) -> ReviewGroup:
        """The group in its state on disk, including files that the command line moved or brought back."""
        decision = decisions.get(key, UNDECIDED)
        left: Group | None = group
        if decision != UNDECIDED and known.plan is not None:
            left = decided(group, decision, self._evidence_of, reference_folders(known.plan))
        gone = [one.copy.path in missing for one in (left or group).members if one.move]
        if any(gone) and (all(gone) or decision.state == "applied"):
            decision = replace(decision, state="applied")
        elif decision.state == "applied":
            decision = replace(decision, state="open", run_id="")
        return ReviewGroup(key, group, left, decision, known.also(key))

    def _evidence_of(self, image_id: int, others: Sequence[int]) -> Mapping[int, Evidence]:
        return stored_evidence(self.evidence())(image_id, others) if others else {}


def review_json(reviews: ReviewService) -> dict[str, Any]:
    """Counts of the plan by tier and state, what is accepted, and what can be brought back."""
    plan = reviews.plan()
    tiers = {
        tier: dict.fromkeys(("open", "accepted", "distinct", "applied", "files", "freed_bytes"), 0) for tier in TIERS
    }
    accepted = {"groups": 0, "files": 0, "freed_bytes": 0}
    for shown in reviews.shown():
        counts = tiers[shown.tier]
        state = shown.decision.state if shown.group is not None else "distinct"
        counts[state] += 1
        if shown.group is None or state not in ("open", "accepted"):
            continue
        files = sum(member.move for member in shown.group.members)
        freed = freed_bytes(shown.group.members)
        if state == "open":
            counts["files"] += files
            counts["freed_bytes"] += freed
        else:
            accepted = {
                "groups": accepted["groups"] + 1,
                "files": accepted["files"] + files,
                "freed_bytes": accepted["freed_bytes"] + freed,
            }
    return {
        "created_at": None if plan is None else plan.created_at,
        "tiers": [{"tier": tier, **counts} for tier, counts in tiers.items() if any(counts.values())],
        "accepted": accepted,
        "runs": [
            {"id": run.run_id, "started_at": run.started_at, "files": run.moved, "bytes": run.moved_bytes}
            for run in reviews.runs()
        ],
    }


def _stamp(path: Path) -> _Stamp:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
