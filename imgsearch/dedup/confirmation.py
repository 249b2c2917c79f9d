"""The last look at the members of groups, pixel by pixel, before a plan may move them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from PIL import Image

from imgsearch.dedup import near
from imgsearch.dedup.alignment import Alignment, align
from imgsearch.dedup.comparison import FINE_SIDE, confirm
from imgsearch.dedup.evidence import Copy, Group, Member, Pair
from imgsearch.dedup.near import evidence_of
from imgsearch.errors import MediaError
from imgsearch.media.decode import open_upright
from imgsearch.records import Failure

LOOKED_AT = "perceptual"
"""The tier that signatures of 32 x 32 decide, and nothing else has looked at."""

RECIPE = f"2-{near.RECIPE}"
"""Names what decides: raise its first number when `comparison.confirm` changes, and pairs are looked at anew. What is
no copy is looked at as `near` does, and that evidence goes with near's."""

_KEPT = 256
"""Pictures kept while groups are confirmed, 0.8 MB each at most: a keeper is compared with each of its members, and one
whose members were refuted may become another's."""

_MOSTLY = 0.8  # of the blocks

IdPair = tuple[int, int]


class Confirmer:
    """Compares keepers with their members at `comparison.FINE_SIDE` pixels. ``failed`` is told of each file that cannot
    be read; its group is then not confirmed. 40 ms of one core a member of 12 megapixels."""

    def __init__(self, failed: Callable[[Failure], None]) -> None:
        self._failed = failed
        self._pictures: OrderedDict[int, Image.Image | None] = OrderedDict()

    def judge(self, group: Group, known: Mapping[IdPair, bool]) -> tuple[dict[IdPair, bool], list[Pair]]:
        """Of each pair of keeper and member of tier perceptual that is not ``known``, by their image ids in order:
        whether the pictures themselves are copies too. One that cannot be looked at is not. And what those that are
        not are to each other then: near copies mostly, or shots of one moment."""
        found: dict[IdPair, bool] = {}
        others: list[Pair] = []
        for member in open_members(group, known):
            key = pair_key(group.keeper, member)
            if key in found:
                continue
            first, second = self._picture(group.keeper), self._picture(member.copy)
            if first is None or second is None:
                found[key] = False
                continue
            found[key] = bool(confirm(first, second, member.evidence.turn).is_copy[0])
            if not found[key]:
                others += second_look(key, group.keeper, member.copy, first, second)
        return found, others

    def _picture(self, copy: Copy) -> Image.Image | None:
        if copy.image_id in self._pictures:
            self._pictures.move_to_end(copy.image_id)
            return self._pictures[copy.image_id]
        picture = self._read(copy)
        self._pictures[copy.image_id] = picture
        if len(self._pictures) > _KEPT:
            self._pictures.popitem(last=False)
        return picture

    def _read(self, copy: Copy) -> Image.Image | None:
        try:
            picture = open_upright(copy.path, FINE_SIDE, content_hash=copy.facts.content_hash)
        except MediaError as error:
            self._failed(
                Failure(copy.path, error.stage, error.message, error.transient, copy.size_bytes, copy.mtime_ns)
            )
            return None
        picture = picture.convert("RGB")
        picture.thumbnail((2 * FINE_SIDE, 2 * FINE_SIDE), Image.Resampling.LANCZOS)
        return picture


def second_look(key: IdPair, one: Copy, other: Copy, first: Image.Image, second: Image.Image) -> list[Pair]:
    """What two pictures are to each other whose signatures agree and that are no copies; none or one."""
    if one.image_id != key[0]:
        one, other, first, second = other, one, second, first
    evidence = evidence_of(look_again(first, second), one.facts, other.facts, alike=True)
    return [] if evidence is None else [Pair(*key, evidence)]


def look_again(first: Image.Image, second: Image.Image) -> Alignment:
    """`align` for two pictures whose signatures agree: a near copy then, if most of what both show agrees, however the
    rest came about (strong sharpening of a grainy picture)."""
    seen = align(first, second)
    return replace(seen, kind="near") if seen.kind == "other" and seen.agreement >= _MOSTLY else seen


def pair_key(keeper: Copy, member: Member) -> IdPair:
    """The two image ids, the lower first."""
    first, second = sorted((keeper.image_id, member.copy.image_id))
    return first, second


def open_members(group: Group, known: Mapping[IdPair, bool]) -> Sequence[Member]:
    """Members that nothing but signatures speaks for."""
    looked_at = (member for member in group.members if member.evidence.tier == LOOKED_AT)
    return [member for member in looked_at if pair_key(group.keeper, member) not in known]
