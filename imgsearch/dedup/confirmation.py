"""The last look at the members of groups, pixel by pixel, before a plan may move them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from imgsearch.dedup import near
from imgsearch.dedup.evidence import Copy, Group, Member, Pair
from imgsearch.dedup.looking import IdPair, Shown, Task, looks
from imgsearch.media.signature import INVERSE_TURN
from imgsearch.records import Failure

LOOKED_AT = "perceptual"
"""The tier that signatures of 32 x 32 decide, and nothing else has looked at."""

RECIPE = f"2-{near.RECIPE}"
"""Names what decides: raise its first number when `comparison.confirm` changes, and pairs are looked at anew. What is
no copy is looked at as `near` does, and that evidence goes with near's."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """On the pair ``key`` (image ids in order) of a keeper and a member: whether the pictures themselves are copies
    too, and where not, what else they are to each other: mostly near copies, or shots of one moment; None: nothing."""

    key: IdPair
    is_copy: bool
    other: Pair | None = None


def verdicts(
    groups: Sequence[Group], known: Mapping[IdPair, bool], failed: Callable[[Failure], None]
) -> Iterator[Verdict]:
    """On each pair of keeper and member of tier perceptual that is not ``known``, once. What cannot be read, of which
    ``failed`` is told, is no copy."""
    pairs: dict[IdPair, tuple[Copy, Copy, int]] = {}
    for group in groups:
        for member in open_members(group, known):
            pairs.setdefault(pair_key(group.keeper, member), _in_order(group.keeper, member))
    tasks = (Task(_shown(first), _shown(second), turn) for first, second, turn in pairs.values())
    for (key, (first, second, _)), look in zip(pairs.items(), looks(tasks, len(pairs), failed), strict=True):
        if look is None or look.is_copy:
            yield Verdict(key, look is not None)
            continue
        evidence = near.evidence_of(look.seen, first.facts, second.facts, alike=True)
        yield Verdict(key, False, None if evidence is None else Pair(*key, evidence))


def pair_key(keeper: Copy, member: Member) -> IdPair:
    """The two image ids, the lower first."""
    first, second = sorted((keeper.image_id, member.copy.image_id))
    return first, second


def open_members(group: Group, known: Mapping[IdPair, bool]) -> Sequence[Member]:
    """Members that nothing but signatures speaks for."""
    looked_at = (member for member in group.members if member.evidence.tier == LOOKED_AT)
    return [member for member in looked_at if pair_key(group.keeper, member) not in known]


def _in_order(keeper: Copy, member: Member) -> tuple[Copy, Copy, int]:
    """The two by image id, and the turn that makes the second look as the first."""
    if keeper.image_id < member.copy.image_id:
        return keeper, member.copy, member.evidence.turn
    return member.copy, keeper, INVERSE_TURN[member.evidence.turn]


def _shown(copy: Copy) -> Shown:
    return Shown(copy.image_id, (copy,))
