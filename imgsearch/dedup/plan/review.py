"""A person's decisions about the groups of a plan, until the accepted ones are applied.

The plan stays as `find` wrote it (``plan.json`` in the library's folder ``dedup``); decisions lie beside it
(``review.json``), by group. A group's name is a hash of everything in it, so that a decision never falls on another
group of a later plan. Pairs declared to be no duplicates are in the evidence store and outlive both."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path

from imgsearch.dedup.belonging.companions import companions_of, shared_with
from imgsearch.dedup.evidence.mapping import pair_of
from imgsearch.dedup.evidence.records import ACTED_ON, NEVER_MOVED, TIERS, Companion, Copy, Evidence, Group, Member
from imgsearch.dedup.groups.star_groups import seen_from_second
from imgsearch.dedup.plan.draft import replacing
from imgsearch.dedup.plan.records import Plan, make_plan
from imgsearch.errors import UsageError
from imgsearch.files import writer_lock
from imgsearch.storage.evidence.store import EvidenceStore
from imgsearch.wording import one_line

PLAN, DECISIONS, ACCEPTED = "plan.json", "review.json", "accepted.json"
"""Files in the library's folder ``dedup``: the plan of `find`, the decisions, the plan that an apply was given."""

STATES = ("open", "accepted", "distinct", "applied")
_VERSION = 1
_WAIT_S = 10.0  # for another process to write its decision
_ALL_PAIRS = 30  # contents of a group of which every two are declared different: 435 rows
_HINT = "remove the file: decisions that were not applied are lost with it, no picture"

EvidenceOf = Callable[[int, Sequence[int]], Mapping[int, Evidence]]
"""(image id, others) -> the evidence, seen from the image, for those of the others that have a pair with it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about one group. ``keeper``: the file to keep in place of the plan's; ``stay``: files that are not
    moved; ``move``: files that are moved though the plan only shows them; ``apart``: files that are no duplicates;
    ``run_id``: of the run that moved the others. Files by `file_key`."""

    state: str = "open"
    keeper: str = ""
    stay: tuple[str, ...] = ()
    move: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    run_id: str = ""


UNDECIDED = Decision()


def file_key(copy: Copy) -> str:
    """A file's name within a plan that reveals no path: 16 hex digits."""
    return hashlib.sha256(os.fsencode(copy.path)).hexdigest()[:16]


def group_key(group: Group) -> str:
    """A key of the keeper and members with contents, tiers and whether they are moved: 24 hex digits."""
    told = hashlib.sha256()
    for copy, tier, move in [
        (group.keeper, "", False),
        *((member.copy, member.evidence.tier, member.move) for member in group.members),
    ]:
        told.update(
            b"\0".join([os.fsencode(copy.path), copy.facts.content_hash.encode(), f"{tier}{move}".encode(), b""])
        )
    return told.hexdigest()[:24]


class Decisions:
    """The file of decisions. Every change is made under a lock between processes and is on the disk when the call
    returns; the whole file is written (40 bytes a decided group, 30,000 in half a second)."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / DECISIONS

    def read(self) -> dict[str, Decision]:
        """By group. Raises UsageError for a file that is damaged."""
        try:
            told = json.loads(self.path.read_text(encoding="utf-8"))
            if told["version"] != _VERSION:
                raise ValueError(f"version {told['version']}")
            return {str(key): _decision(fields) for key, fields in told["groups"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
            raise UsageError(f"{self.path} cannot be read as decisions: {exc}", _HINT) from exc

    @contextlib.contextmanager
    def changing(self) -> Iterator[dict[str, Decision]]:
        """The decisions, to be changed in place; written when the block ends without an error. Raises LibraryBusy if
        another process keeps writing for ten seconds, StorageFull, UsageError."""
        with writer_lock(self.path.with_suffix(".lock"), wait_s=_WAIT_S):
            found = self.read()
            before = dict(found)
            yield found
            if found != before:
                plain = {key: _plain(decision) for key, decision in sorted(found.items()) if decision != UNDECIDED}
                with replacing(self.path) as file:
                    file.write(json.dumps({"version": _VERSION, "groups": plain}, indent=0).encode())


def decided(group: Group, decision: Decision, evidence_of: EvidenceOf, reference: Sequence[str] = ()) -> Group | None:
    """The group after ``decision``; None if nothing is left of it.

    With another keeper, only files that were compared with it stay: those with the content of one of the two, and those
    with a pair of their own (``evidence_of``). The others leave the group and are not touched. A file below a folder of
    ``reference`` is never moved."""
    if decision.state == "distinct":
        return None
    chosen = next((member for member in group.members if file_key(member.copy) == decision.keeper), None)
    if chosen is not None:
        group = _with_keeper(group, chosen, evidence_of)
    members = [member for member in group.members if file_key(member.copy) not in decision.apart]
    return replace(group, members=tuple(_moved(member, decision, reference) for member in members)) if members else None


def content_pairs(group: Group, files: Sequence[str] = ()) -> list[tuple[str, str]]:
    """The contents (sha256) that a person separates by saying that ``files`` are no duplicates of the rest of the
    group, or (if none are given) that all its files show different images: every two of up to 30 contents, else each
    with the keeper's. Two files of one content are separated by pairing that content with itself."""
    hashes = {file_key(copy): copy.facts.content_hash for copy in (group.keeper, *(one.copy for one in group.members))}
    first = file_key(group.keeper)
    two: Iterable[tuple[str, str]]
    if files:
        two = ((one, other) for one in files if one in hashes for other in hashes if other not in files)
    elif len(hashes) <= _ALL_PAIRS:
        two = combinations(hashes, 2)
    else:
        two = ((first, other) for other in hashes if other != first)
    return sorted({_sorted_pair(hashes[one], hashes[other]) for one, other in two})


def accepted_plan(plan: Plan, decisions: Mapping[str, Decision], evidence_of: EvidenceOf) -> Plan:
    """The plan of the accepted groups, as decided; holds one at a time. Raises UsageError like `check_plan`."""

    def accepted() -> Iterator[Group]:
        for group in plan.groups:
            decision = decisions.get(group_key(group), UNDECIDED)
            if decision.state == "accepted":
                left = decided(group, decision, evidence_of, reference_folders(plan))
                left = None if left is None else _with_companions(left, group)
                if left is not None and any(member.move for member in left.members):
                    yield left

    return make_plan(accepted(), plan.roots, library=plan.library, options=plan.options, created_at=plan.created_at)


def _with_companions(group: Group, planned: Group) -> Group:
    """Members that the plan moves have their companions named in it; members that a person moves instead get the
    companions that exist now. A file stays if these cannot be read, or belong to other images too."""
    known = {member.copy.path for member in planned.members if member.move}
    members = (
        member if not member.move or member.copy.path in known else _accompanied(member) for member in group.members
    )
    return replace(group, members=tuple(members))


def _accompanied(member: Member) -> Member:
    path = member.copy.path
    others = shared_with(path)
    if others:
        return replace(member, move=False, stays=f"what belongs to it belongs to {one_line(Path(others[0]).name)} too")
    try:
        return replace(member, companions=tuple(_companion(one) for one in companions_of(path)))
    except OSError as exc:
        return replace(member, move=False, stays=f"what belongs to it cannot be read: {exc.strerror}")


def _companion(path: str) -> Companion:
    with Path(path).open("rb") as file:
        status = os.fstat(file.fileno())
        return Companion(path, hashlib.file_digest(file, "sha256").hexdigest(), status.st_size, status.st_mtime_ns)


def mark_applied(decisions: dict[str, Decision], plan: Plan, run_id: str) -> int:
    """Mark the accepted groups from which a run has moved a file: a member that was to move is gone from its place.
    Returns how many."""
    count = 0
    for group in plan.groups:
        key = group_key(group)
        decision = decisions.get(key, UNDECIDED)
        if decision.state == "accepted" and any(not os.path.lexists(one.copy.path) for one in group.members):
            decisions[key] = replace(decision, state="applied", run_id=run_id)
            count += 1
    return count


def mark_undone(decisions: dict[str, Decision], run_id: str) -> None:
    """Reopen the groups of a run that was undone, and keep the other decisions about them."""
    for key, decision in decisions.items():
        if decision.run_id == run_id:
            decisions[key] = replace(decision, state="open", run_id="")


def stored_evidence(store: EvidenceStore) -> EvidenceOf:
    """Reads the evidence that `find` keeps."""

    def look(image_id: int, others: Sequence[int]) -> dict[int, Evidence]:
        wanted, found = frozenset(others), {}
        for row in store.pairs_of([image_id], TIERS):
            pair = pair_of(row)
            other = pair.second if pair.first == image_id else pair.first
            if other in wanted:
                found[other] = pair.evidence if pair.first == image_id else seen_from_second(pair.evidence)
        return found

    return look


def reference_folders(plan: Plan) -> list[str]:
    """The plan's option ``reference``: absolute folders, one a line."""
    return [folder for folder in plan.options.get("reference", "").split("\n") if folder]


def _moved(member: Member, decision: Decision, reference: Sequence[str]) -> Member:
    key = file_key(member.copy)
    if _below(member.copy.path, reference):  # whoever requests it: another keeper makes the old one a member
        return replace(member, move=False)
    wanted = member.move or (key in decision.move and member.evidence.tier not in NEVER_MOVED)
    return replace(member, move=wanted and key not in decision.stay)


def _with_keeper(group: Group, chosen: Member, evidence_of: EvidenceOf) -> Group:
    old, new, back = group.keeper, chosen.copy, seen_from_second(chosen.evidence)
    acted = frozenset(ACTED_ON) | {member.evidence.tier for member in group.members if member.move}
    rest = [member for member in group.members if member is not chosen]
    compared = evidence_of(new.image_id, [member.copy.image_id for member in rest])
    members = [Member(old, back, chosen.move)]
    for member in rest:
        if member.copy.facts.content_hash == new.facts.content_hash:
            evidence: Evidence | None = Evidence("bytes", 1.0)
        elif member.copy.facts.content_hash == old.facts.content_hash:
            evidence = back
        else:
            evidence = compared.get(member.copy.image_id)
        if evidence is not None:
            move = member.move and evidence.tier in acted and evidence.tier not in NEVER_MOVED
            members.append(replace(member, evidence=evidence, move=move))
    ordered = sorted(members, key=lambda one: (TIERS.index(one.evidence.tier), -one.evidence.score, one.copy.path))
    return replace(group, keeper=new, reason="chosen by hand", members=tuple(ordered))


def _below(path: str, folders: Sequence[str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)


def _sorted_pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one <= other else (other, one)


def _plain(decision: Decision) -> dict[str, object]:
    return {name: value for name, value in asdict(decision).items() if value}


def _decision(fields: Mapping[str, object]) -> Decision:
    def texts(name: str) -> tuple[str, ...]:
        found = fields.get(name, [])
        if not isinstance(found, list):
            raise ValueError(f"{name} is {found!r}")
        return tuple(str(each) for each in found)

    state = str(fields.get("state", "open"))
    if state not in STATES:
        raise ValueError(f"state {state!r}")
    keeper, run_id = str(fields.get("keeper", "")), str(fields.get("run_id", ""))
    return Decision(state, keeper, texts("stay"), texts("move"), texts("apart"), run_id)
