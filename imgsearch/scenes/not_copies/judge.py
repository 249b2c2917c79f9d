"""Judges a plan by files whose truth is known."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imgsearch.scenes.not_copies.album import NotCopy


@dataclass(frozen=True, slots=True)
class Offence:
    """A file that a plan moves although it must not."""

    family: str
    path: str  # below the folder
    keeper: str  # the file kept in its place, below the folder
    what: str  # "not a copy", "the source", "all are moved", "torn apart"
    tier: str
    score: float
    why: str  # the keeper's reason and the evidence's, for a person


@dataclass(slots=True)
class FamilyTally:
    """One family: its files, the wrong moves of a plan, and how many true copies it finds and moves."""

    files: int = 0
    copies: int = 0
    found: int = 0  # copies grouped with a file of their source, whatever the tier
    moved: int = 0  # of the copies
    near: int = 0  # files shown as near copies of another source's
    offences: list[Offence] = field(default_factory=list)

    def count(self, what: str) -> int:
        """The number of offences of that kind."""
        return sum(offence.what == what for offence in self.offences)


@dataclass(frozen=True, slots=True)
class _Move:
    path: str
    keeper: str
    picture: str  # the path itself, or that of the image with which it moves along
    group: Mapping[str, Any]
    member: Mapping[str, Any]


def judge(rows: Sequence[NotCopy], folder: Path, plan: Mapping[str, Any]) -> dict[str, FamilyTally]:
    """The tally of every family, by the truth ``rows`` of files below ``folder`` and the JSON of a plan.

    A moved file is an offence if the kept one has another source ("not a copy"), if the truth says that it is
    never moved ("the source"), if no file stays that holds everything that its source holds ("all are moved"), and if
    another file of its stack stays ("torn apart"). Copies that are never moved are not counted as copies to find."""
    truth = {row.path: row for row in rows}
    moves = [move for move in _moves(plan, folder) if move.path in truth]
    tallies: dict[str, FamilyTally] = defaultdict(FamilyTally)
    for row in rows:
        tallies[row.family].files += 1
        tallies[row.family].copies += row.source != row.path and row.may_move
    for offence in [*_wrong(truth, moves), *_lost(truth, moves), *_torn(truth, moves)]:
        tallies[offence.family].offences.append(offence)
    copies = {row.path for row in rows if row.path != row.source and row.may_move}
    for path in {move.path for move in moves} & copies:
        tallies[truth[path].family].moved += 1
    _count_shown(truth, plan, folder, tallies)
    return dict(tallies)


def _count_shown(
    truth: Mapping[str, NotCopy], plan: Mapping[str, Any], folder: Path, into: dict[str, FamilyTally]
) -> None:
    found: set[str] = set()
    near: set[str] = set()
    for group in plan["groups"]:
        members = [*group["members"], *group.get("kept", ())]
        paths = [_below(member["file"]["path"], folder) for member in members]
        keeper = _below(group["keeper"]["path"], folder)
        sources: dict[str, int] = defaultdict(int)
        for path in {keeper, *paths} & truth.keys():
            sources[truth[path].source] += 1
        found |= {path for path in {keeper, *paths} & truth.keys() if sources[truth[path].source] > 1}
        for path, member in zip(paths, members, strict=True):
            if path in truth and keeper in truth and truth[path].source != truth[keeper].source:
                near |= {path} if member["tier"] in ("bytes", "pixels", "perceptual", "near") else set()
    for path in found:
        into[truth[path].family].found += path != truth[path].source and truth[path].may_move
    for path in near:
        into[truth[path].family].near += 1


def _moves(plan: Mapping[str, Any], folder: Path) -> Iterator[_Move]:
    """Every file that the plan moves, including those that move along with others."""
    for group in plan["groups"]:
        keeper = _below(group["keeper"]["path"], folder)
        for member in group["members"]:
            if member["move"]:
                along = [companion["path"] for companion in member.get("companions", ())]
                for path in [member["file"]["path"], *along]:
                    yield _Move(_below(path, folder), keeper, _below(member["file"]["path"], folder), group, member)


def _wrong(truth: Mapping[str, NotCopy], moves: Iterable[_Move]) -> Iterator[Offence]:
    for move in moves:
        row, keeper = truth[move.path], truth.get(move.keeper)
        if move.path != move.picture and row.stack == truth[move.picture].stack:
            continue  # moves along with its own image
        if keeper is None or keeper.source != row.source:
            yield _offence(move, row, "not a copy")
        elif not row.may_move and not (row.stack and move.member["tier"] == "bytes"):
            yield _offence(move, row, "the source")  # either of two equal stacks may stay, if it stays whole


def _lost(truth: Mapping[str, NotCopy], moves: Sequence[_Move]) -> Iterator[Offence]:
    """Sources without a remaining whole file, if the move is no other offence."""
    staying: dict[str, int] = defaultdict(int)
    for row in truth.values():
        staying[row.source] += row.whole
    for move in moves:
        staying[truth[move.path].source] -= truth[move.path].whole
    for move in moves:
        row, keeper = truth[move.path], truth.get(move.keeper)
        known = not row.may_move or keeper is None or keeper.source != row.source
        if row.whole and not known and staying[row.source] <= 0:
            yield _offence(move, row, "all are moved")


def _torn(truth: Mapping[str, NotCopy], moves: Sequence[_Move]) -> Iterator[Offence]:
    """Moved files of a stack while others of it stay, if the move itself is right."""
    moved = {move.path for move in moves}
    staying = {row.stack for row in truth.values() if row.path not in moved}
    for move in moves:
        row = truth[move.path]
        if row.stack and row.stack in staying and row.may_move:
            yield _offence(move, row, "torn apart")


def _offence(move: _Move, row: NotCopy, what: str) -> Offence:
    evidence = move.member.get("evidence", {})
    measured = ", ".join(f"{name} {value}" for name, value in evidence.items())
    why = f"kept: {move.group.get('reason', '')}; {measured}"
    return Offence(row.family, move.path, move.keeper, what, move.member["tier"], float(move.member["score"]), why)


def _below(path: str, folder: Path) -> str:
    return os.path.relpath(path, folder).replace(os.sep, "/")
