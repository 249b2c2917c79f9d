"""Pairs of pictures -> groups of files that do not chain: every member has a pair of its own with the keeper."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from imgsearch.dedup.evidence import ACTED_ON, TIERS, Copy, Evidence, Group, Member, Pair
from imgsearch.dedup.keep import KeepRule, rank, reason
from imgsearch.media.signature import INVERSE_TURN
from imgsearch.records import Int64

AT_ONCE = 2_000
"""Images whose copies are asked for at a time; a larger component is asked for whole."""

_SAME_BYTES = Evidence("bytes", 1.0)
_NO_BITS = -1
_ROW = np.dtype(
    [("first", "i8"), ("second", "i8"), ("tier", "u1"), ("turn", "u1"), ("bits", "i2"), ("why", "i4")]
    + [(name, "f8") for name in ("score", "difference", "cover", "similarity", "seconds")]
)

CopiesOf = Callable[[Sequence[int]], Mapping[int, Sequence[Copy]]]
DistinctAmong = Callable[[Sequence[str]], Collection[frozenset[str]]]


def none_distinct(hashes: Sequence[str]) -> Collection[frozenset[str]]:
    """For a library in which nobody has said that two pictures are not duplicates."""
    return ()


def make_groups(
    pairs: Iterable[Pair],
    copies: CopiesOf,
    rule: KeepRule,
    *,
    several: Iterable[int] = (),
    distinct: DistinctAmong = none_distinct,
    acted_on: Collection[str] = ACTED_ON,
) -> Iterator[Group]:
    """Groups, one component of pairs after the other, by smallest image id; the same whatever order ``pairs`` are in.

    In each component the best copy that is left becomes a keeper and takes every picture that is left and has a pair of
    its own with it: first by pairs of the tiers ``acted_on`` alone, so that no weaker likeness takes a picture out of a
    stronger group, then tier by tier by the others, whose members are shown and not moved (`Member.move`). ``several``:
    ids of images of which more than one file exists, which are members of tier bytes. Files in reference folders are
    never members. Two contents that ``distinct`` names (a content paired with itself: two files of that content) never
    share a group. ``copies`` and ``distinct`` are asked for many at a time: copies of image ids, and which of some
    content hashes were said to differ; an image without copies is passed over.

    Pairs are held as 60 bytes each, components one batch at a time: 1,000,000 pairs take 60 MB. n log n.
    """
    rows, reasons = _rows(pairs)
    single = np.fromiter(several, np.int64)
    component_of, images = _components(rows, single)
    wanted = frozenset(acted_on)
    for part_ids, part_rows in _batches(component_of, images, rows):
        found = copies([int(number) for number in np.concatenate(part_ids)])
        hashes = sorted({copy.facts.content_hash for ones in found.values() for copy in ones})
        apart = frozenset(distinct(hashes))
        for ids, own in zip(part_ids, part_rows, strict=True):
            yield from _Component(ids.tolist(), own, reasons, found, rule, apart, wanted).groups()


def tell_links(groups: Iterable[Group]) -> Iterator[Group]:
    """The groups with `Copy.links` as it is on disk now; members that are another name of the keeper's file are not
    moved, because that would free nothing. A file that cannot be looked at stays as it is. One lstat a file."""
    for group in groups:
        keeper, kept_inode = _linked(group.keeper)
        members = []
        for member in group.members:
            copy, inode = _linked(member.copy)
            same = inode is not None and inode == kept_inode
            members.append(replace(member, copy=copy, move=member.move and not same))
        yield replace(group, keeper=keeper, members=tuple(members))


def _linked(copy: Copy) -> tuple[Copy, tuple[int, int] | None]:
    try:
        status = os.lstat(copy.path)
    except OSError:
        return copy, None
    inode = (status.st_dev, status.st_ino)
    return (copy if copy.links == status.st_nlink else replace(copy, links=status.st_nlink)), inode


def seen_from_second(evidence: Evidence) -> Evidence:
    """The same evidence where the second picture is the keeper. What share of the second the first shows is not
    known: ``cover`` becomes None."""
    return replace(evidence, turn=INVERSE_TURN[evidence.turn], cover=None)


def _rows(pairs: Iterable[Pair]) -> tuple[NDArray[np.void], list[str]]:
    """A row each two images, and the texts that ``why`` numbers."""
    order = {tier: number for number, tier in enumerate(TIERS)}
    reasons: dict[str, int] = {}

    def row(pair: Pair) -> tuple[float, ...]:
        evidence = pair.evidence
        bits = _NO_BITS if evidence.bits is None else evidence.bits
        rest = (evidence.difference, evidence.cover, evidence.similarity, evidence.seconds)
        numbers = (np.nan if value is None else value for value in rest)
        why = reasons.setdefault(evidence.why, len(reasons))
        return (pair.first, pair.second, order[evidence.tier], evidence.turn, bits, why, evidence.score, *numbers)

    table = np.fromiter((row(pair) for pair in pairs), _ROW)
    # Of several rows of one pair the strongest stands; sorted by ids, so that the order of arrival means nothing.
    table = table[np.lexsort((-table["score"], table["tier"], table["second"], table["first"]))]
    again = (table["first"][1:] == table["first"][:-1]) & (table["second"][1:] == table["second"][:-1])
    return (table[np.concatenate(([True], ~again))] if len(table) else table), list(reasons)


def _evidence(row: np.void, reasons: Sequence[str]) -> Evidence:
    _, _, tier, turn, bits, why, score, *rest = row.tolist()
    numbers = [None if value != value else value for value in rest]
    return Evidence(TIERS[tier], score, turn, None if bits == _NO_BITS else bits, *numbers, reasons[why])


def _components(rows: NDArray[np.void], single: Int64) -> tuple[Int64, Int64]:
    """(component of each image, images ascending): connected pictures share the smallest index among them.

    Every index points at a smaller or equal one; both ends of a pair are hooked to the smaller of their roots, then
    paths are cut short, until nothing changes: O(log n) rounds as a rule (Shiloach and Vishkin, 1982)."""
    images = np.unique(np.concatenate([rows["first"], rows["second"], single])).astype(np.int64)
    first, second = np.searchsorted(images, rows["first"]), np.searchsorted(images, rows["second"])
    root = np.arange(len(images))
    while True:
        one, other = root[first], root[second]
        if np.array_equal(one, other):
            return root, images
        low = np.minimum(one, other)
        np.minimum.at(root, one, low)
        np.minimum.at(root, other, low)
        while not np.array_equal(shorter := root[root], root):
            root = shorter


def _batches(
    component_of: Int64, images: Int64, rows: NDArray[np.void]
) -> Iterator[tuple[list[Int64], list[NDArray[np.void]]]]:
    """Whole components, about `AT_ONCE` images at a time: their ids and their rows."""
    order, row_component = np.argsort(component_of, kind="stable"), component_of[np.searchsorted(images, rows["first"])]
    row_order = np.argsort(row_component, kind="stable")
    sorted_ids, sorted_components = images[order], component_of[order]
    starts = np.flatnonzero(np.diff(sorted_components, prepend=-1))
    row_starts = np.searchsorted(row_component[row_order], sorted_components[starts])
    stops, row_stops = (*starts[1:].tolist(), len(images)), (*row_starts[1:].tolist(), len(rows))
    ids: list[Int64] = []
    own_rows: list[NDArray[np.void]] = []
    count = 0
    for start, stop, row_start, row_stop in zip(starts.tolist(), stops, row_starts.tolist(), row_stops, strict=False):
        ids.append(sorted_ids[start:stop])
        own_rows.append(rows[row_order[row_start:row_stop]])
        count += stop - start
        if count >= AT_ONCE:
            yield ids, own_rows
            ids, own_rows, count = [], [], 0
    if ids:
        yield ids, own_rows


@dataclass
class _Star:
    """A group that is being made; ``contents`` are the hashes in it."""

    keeper: Copy
    contents: set[str]
    members: list[Member] = field(default_factory=list)
    kept: list[Member] = field(default_factory=list)


class _Component:
    """The pictures that hang together by pairs, and the groups they fall into."""

    def __init__(
        self,
        ids: Sequence[int],
        rows: NDArray[np.void],
        reasons: Sequence[str],
        found: Mapping[int, Sequence[Copy]],
        rule: KeepRule,
        apart: frozenset[frozenset[str]],
        acted_on: frozenset[str],
    ) -> None:
        self._rule, self._acted_on = rule, acted_on
        self._apart: dict[str, set[str]] = defaultdict(set)  # content -> those that it never shares a group with
        for said in apart:
            for content in said:
                self._apart[content] |= said - {content} if len(said) > 1 else said
        self._files = {number: rank(found[number], rule) for number in ids if found.get(number)}
        self._best_first = sorted(self._files, key=lambda number: rule.order_of(self._files[number][0]))
        self._place = {number: place for place, number in enumerate(self._best_first)}
        self._near: dict[int, list[tuple[int, int]]] = defaultdict(list)  # image -> (other, row)
        self._rows, self._reasons = rows, reasons
        self._tiers, self._scores = rows["tier"].tolist(), rows["score"].tolist()
        for place, (first, second) in enumerate(zip(rows["first"].tolist(), rows["second"].tolist(), strict=True)):
            self._near[first].append((second, place))
            self._near[second].append((first, place))
        self._taken: set[int] = set()
        self._stars: dict[int, _Star] = {}

    def groups(self) -> Iterator[Group]:
        strong = frozenset(number for number, tier in enumerate(TIERS) if tier in self._acted_on)
        weaker = [frozenset([number]) for number in range(len(TIERS)) if number not in strong]
        self._gather(strong, own_files=True)
        for tiers in weaker:
            self._gather(tiers, own_files=False)
        for star in self._stars.values():
            if star.members:
                members = sorted(star.members, key=_strongest_first)
                why = reason(star.keeper, [member.copy for member in members], self._rule)
                kept = tuple(sorted(star.kept, key=_strongest_first))
                yield Group(star.keeper, why, tuple(members), kept)

    def _gather(self, tiers: frozenset[int], *, own_files: bool) -> None:
        for number in self._best_first:
            if number in self._taken:
                continue
            star = self._stars.get(number) or self._begin(number)
            if own_files:
                self._add_own_files(star, number)
            near = [(self._tiers[row], -self._scores[row], other, row) for other, row in self._near[number]]
            for tier, _, other, row in sorted(near):
                worse = self._place.get(other, -1) > self._place[number]
                if tier in tiers and worse and other not in self._taken:
                    self._add(star, other, self._seen_from(number, row))

    def _begin(self, number: int) -> _Star:
        keeper = self._files[number][0]
        self._stars[number] = _Star(keeper, {keeper.facts.content_hash})
        return self._stars[number]

    def _seen_from(self, number: int, row: int) -> Evidence:
        evidence = _evidence(self._rows[row], self._reasons)
        return evidence if self._rows["first"][row] == number else seen_from_second(evidence)

    def _add_own_files(self, star: _Star, number: int) -> None:
        move = "bytes" in self._acted_on
        if not self._apart[star.keeper.facts.content_hash].isdisjoint(star.contents):
            return
        for copy in self._files[number][1:]:
            (star.kept if self._rule.is_reference(copy) else star.members).append(Member(copy, _SAME_BYTES, move))

    def _add(self, star: _Star, other: int, evidence: Evidence) -> None:
        """Take ``other`` into the group, unless it holds a reference file (which is only noted), has a group of its
        own, or was said to be distinct from something that is in the group."""
        files = self._files[other]
        content = files[0].facts.content_hash
        if not (self._apart[content] - {content}).isdisjoint(star.contents):
            return
        if self._rule.is_reference(files[0]):
            star.kept.extend(Member(copy, evidence, False) for copy in files if self._rule.is_reference(copy))
            return
        own = self._stars.get(other)
        if own is not None and own.members:
            return
        self._stars.pop(other, None)
        self._taken.add(other)
        star.contents.add(content)
        if content in self._apart[content]:
            files = files[:1]
        move = evidence.tier in self._acted_on
        star.members.extend(Member(copy, evidence, move) for copy in files)


def _strongest_first(member: Member) -> tuple[int, float, str]:
    return TIERS.index(member.evidence.tier), -member.evidence.score, member.copy.path
