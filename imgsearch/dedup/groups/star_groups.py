"""Turns pairs of images into groups of files that do not chain: every member has its own pair with the keeper."""

from __future__ import annotations

import os
import stat
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from imgsearch.dedup.evidence.records import ACTED_ON, NEVER_MOVED, TIERS, Copy, Evidence, Group, Member
from imgsearch.dedup.groups.components import ComponentBatch, row_evidence
from imgsearch.dedup.groups.keep import KeepRule, reason
from imgsearch.dedup.groups.worth import Judgement
from imgsearch.media.signature import INVERSE_ORIENTATION

_SAME_BYTES = Evidence("bytes", 1.0)


@dataclass(frozen=True, slots=True)
class GroupTerms:
    """What groups are made by. Two contents that ``apart`` names (a content paired with itself: two files of that
    content) never share a group. ``judgement`` None: anything may be moved."""

    rule: KeepRule
    apart: frozenset[frozenset[str]] = frozenset()
    acted_on: frozenset[str] = frozenset(ACTED_ON)
    judgement: Judgement | None = None


def make_groups(batch: ComponentBatch, files: Mapping[int, Sequence[Copy]], terms: GroupTerms) -> Iterator[Group]:
    """The groups of some components, by smallest image id; ``files`` by image id, an image without any is skipped.

    In each component the best remaining copy becomes a keeper and takes every remaining image that has its own pair
    with it: first through pairs of the tiers ``acted_on`` that ``judgement`` allows to move, so that no weaker
    similarity takes an image out of a stronger group; then through those that it does not allow (`Member.stays`); then
    through the other tiers in order, whose members are shown and not moved (`Member.move`). An image that is then left
    joins the group of an image that it has a pair with, and is not moved. Groups of one component that are connected by
    copies share a number (`Group.picture`).

    An image's further files are members of tier bytes. Files in reference folders are never members.
    """
    for ids, rows in zip(batch.ids, batch.rows, strict=True):
        yield from _Component(ids.tolist(), rows, batch.reasons, files, terms).groups()


def tell_links(groups: Iterable[Group]) -> Iterator[Group]:
    """The groups with `Copy.links` as on disk now; members that are another name of the keeper's file are not moved,
    because that would free nothing. If a file cannot be checked, its member stays as it is. One lstat a file."""
    for group in groups:
        keeper, kept_inode = _linked(group.keeper)
        members = []
        for member in group.members:
            copy, inode = _linked(member.copy)
            same = inode is not None and inode == kept_inode
            members.append(replace(member, copy=copy, move=member.move and not same))
        yield replace(group, keeper=keeper, members=tuple(members))


def is_link(path: str) -> bool:
    """Whether a file is a symbolic link, whose move would free nothing. A missing file is left to the reader."""
    try:
        return stat.S_ISLNK(os.lstat(path).st_mode)
    except OSError:
        return False


def _linked(copy: Copy) -> tuple[Copy, tuple[int, int] | None]:
    try:
        status = os.lstat(copy.path)
    except OSError:
        return copy, None
    inode = (status.st_dev, status.st_ino)
    return (copy if copy.links == status.st_nlink else replace(copy, links=status.st_nlink)), inode


def seen_from_second(evidence: Evidence) -> Evidence:
    """The same evidence with the second image as the keeper. The share of the second that the first shows is not known:
    ``overlap`` becomes None."""
    return replace(evidence, orientation=INVERSE_ORIENTATION[evidence.orientation], overlap=None)


@dataclass
class _Star:
    """A group in the making; ``contents`` are the hashes in it."""

    keeper: Copy
    contents: set[str]
    members: list[Member] = field(default_factory=list)
    kept: list[Member] = field(default_factory=list)


_BY_COPIES = tuple(number for number, tier in enumerate(TIERS) if tier not in NEVER_MOVED)


class _Component:
    """Images connected by pairs, and the groups into which they fall."""

    def __init__(
        self,
        ids: Sequence[int],
        rows: NDArray[np.void],
        reasons: Sequence[str],
        found: Mapping[int, Sequence[Copy]],
        terms: GroupTerms,
    ) -> None:
        self._terms = terms
        self._number = ids[0]
        self._apart: dict[str, set[str]] = defaultdict(set)  # content -> those that it never shares a group with
        for said in terms.apart:
            for content in said:
                self._apart[content] |= said - {content} if len(said) > 1 else said
        self._orders: dict[str, tuple[object, ...]] = {}
        self._files = {number: sorted(found[number], key=self._order_of) for number in ids if found.get(number)}
        first = {number: self._order_of(files[0]) for number, files in self._files.items()}
        self._best_first = sorted(self._files, key=lambda number: first[number])
        self._place = {number: place for place, number in enumerate(self._best_first)}
        self._near: dict[int, list[tuple[int, int]]] = defaultdict(list)  # image -> (other, row)
        self._rows, self._reasons = rows, reasons
        self._tiers, self._scores = rows["tier"].tolist(), rows["score"].tolist()
        for place, (one, other) in enumerate(zip(rows["first"].tolist(), rows["second"].tolist(), strict=True)):
            self._near[one].append((other, place))
            self._near[other].append((one, place))
        self._taken: dict[int, int] = {}  # image -> the image whose group it is in
        self._stars: dict[int, _Star] = {}

    def _order_of(self, copy: Copy) -> tuple[object, ...]:
        """The rule's order, cached by path."""
        found = self._orders.get(copy.path)
        if found is None:
            found = self._orders[copy.path] = self._terms.rule.order_of(copy, self._terms.judgement)
        return found

    def groups(self) -> Iterator[Group]:
        acted_on = self._terms.acted_on
        strong = frozenset(number for number, tier in enumerate(TIERS) if tier in acted_on)
        weaker = [frozenset([number]) for number in range(len(TIERS)) if number not in strong]
        self._gather(strong, own_files=True, staying=False)
        for tiers in (strong, *weaker):
            self._gather(tiers, own_files=False, staying=True)
        self._add_left_over()
        stars = {number: star for number, star in self._stars.items() if star.members}
        pictures = self._pictures(stars)
        for number, star in stars.items():
            members = sorted(star.members, key=_strongest_first)
            others = [member.copy for member in members]
            why = reason(star.keeper, others, self._terms.rule, self._terms.judgement, order_of=self._order_of)
            kept = tuple(sorted(star.kept, key=_strongest_first))
            yield Group(star.keeper, why, tuple(members), kept, pictures[number])

    def _gather(self, tiers: frozenset[int], *, own_files: bool, staying: bool) -> None:
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
                    self._add(number, star, other, self._seen_from(number, row), staying=staying)

    def _begin(self, number: int) -> _Star:
        keeper = self._files[number][0]
        self._stars[number] = _Star(keeper, {keeper.facts.content_hash})
        return self._stars[number]

    def _add_left_over(self) -> None:
        """Adds an image that is only like members of groups, or like a worse keeper, to the group of the most similar
        one. It is shown and never moved."""
        for number in self._best_first:
            star = self._stars.get(number)
            files = self._files[number]
            if number in self._taken or star is None or star.members or self._terms.rule.is_reference(files[0]):
                continue
            near = [(self._tiers[row], -self._scores[row], other, row) for other, row in self._near[number]]
            for tier, _, other, row in sorted(near):
                is_keeper = other in self._stars and bool(self._stars[other].members)
                owner = self._taken.get(other, other if is_keeper else -1)
                content = files[0].facts.content_hash
                if tier not in _BY_COPIES or owner < 0 or self._is_apart(content, self._stars[owner]):
                    continue
                evidence, through = self._seen_from(other, row), self._files[other][0]
                stays = f"it was compared with {os.path.basename(through.path)} alone"  # noqa: PTH119
                if is_keeper:
                    judgement = self._terms.judgement
                    found = judgement.stays(through, files[0], evidence) if judgement is not None else ""
                    stays = found or "it is the better of the two, and the other keeps copies of its own"
                self._stars.pop(number)
                self._taken[number] = owner
                own = self._stars[owner]
                own.contents.add(content)
                wanted = files[:1] if content in self._apart[content] else files
                via = None if is_keeper else through
                own.members.extend(Member(copy, evidence, False, stays, through=via) for copy in wanted)
                break

    def _pictures(self, stars: Mapping[int, _Star]) -> dict[int, int]:
        """A number for each group: the same for groups connected by pairs of copies, 0 for one that is alone."""
        root = {number: number for number in stars}

        def top(number: int) -> int:
            while root[number] != number:
                number = root[number]
            return number

        for one, other, tier in zip(
            self._rows["first"].tolist(), self._rows["second"].tolist(), self._tiers, strict=True
        ):
            ends = [self._taken.get(image, image) for image in (one, other)]
            if tier in _BY_COPIES and all(end in root for end in ends):
                first, second = sorted(map(top, ends))
                root[second] = first
        tops = {number: top(number) for number in stars}
        counts = Counter(tops.values())
        return {number: head if counts[head] > 1 else 0 for number, head in tops.items()}

    def _seen_from(self, number: int, row: int) -> Evidence:
        evidence = row_evidence(self._rows[row], self._reasons)
        return evidence if self._rows["first"][row] == number else seen_from_second(evidence)

    def _add_own_files(self, star: _Star, number: int) -> None:
        move = "bytes" in self._terms.acted_on
        if not self._apart[star.keeper.facts.content_hash].isdisjoint(star.contents):
            return
        for copy in self._files[number][1:]:
            reference = self._terms.rule.is_reference(copy)
            (star.kept if reference else star.members).append(Member(copy, _SAME_BYTES, move))

    def _is_apart(self, content: str, star: _Star) -> bool:
        return not (self._apart[content] - {content}).isdisjoint(star.contents)

    def _add(self, number: int, star: _Star, other: int, evidence: Evidence, *, staying: bool) -> None:
        """Take ``other`` into the group, unless it holds a reference file (which is only noted), has a group of its
        own, was declared distinct from something in the group, or must stay while ``staying`` is false."""
        files = self._files[other]
        content = files[0].facts.content_hash
        if self._is_apart(content, star):
            return
        rule = self._terms.rule
        if rule.is_reference(files[0]):
            star.kept.extend(Member(copy, evidence, False) for copy in files if rule.is_reference(copy))
            return
        own = self._stars.get(other)
        if own is not None and own.members:
            return
        acted, judgement = evidence.tier in self._terms.acted_on, self._terms.judgement
        stays = judgement.stays(star.keeper, files[0], evidence) if acted and judgement is not None else ""
        if stays and not staying:
            return
        self._stars.pop(other, None)
        self._taken[other] = number
        star.contents.add(content)
        if content in self._apart[content]:
            files = files[:1]
        star.members.extend(Member(copy, evidence, acted and not stays, stays) for copy in files)


def _strongest_first(member: Member) -> tuple[int, float, str]:
    return TIERS.index(member.evidence.tier), -member.evidence.score, member.copy.path
