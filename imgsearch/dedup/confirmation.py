"""The last look at the members of groups, pixel by pixel, before a plan may move them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence

from PIL import Image

from imgsearch.dedup.comparison import FINE_SIDE, confirm
from imgsearch.dedup.evidence import Copy, Group, Member
from imgsearch.errors import MediaError
from imgsearch.media.decode import open_upright
from imgsearch.records import Failure

LOOKED_AT = "perceptual"
"""The tier that signatures of 32 x 32 decide, and nothing else has looked at."""

RECIPE = "2"
"""Names what decides: raise it when `comparison.confirm` changes, and pairs are looked at anew."""

_KEPT = 256
"""Pictures kept while groups are confirmed, 0.8 MB each at most: a keeper is compared with each of its members, and one
whose members were refuted may become another's."""

IdPair = tuple[int, int]


class Confirmer:
    """Compares keepers with their members at `comparison.FINE_SIDE` pixels. ``failed`` is told of each file that cannot
    be read; its group is then not confirmed. 40 ms of one core a member of 12 megapixels."""

    def __init__(self, failed: Callable[[Failure], None]) -> None:
        self._failed = failed
        self._pictures: OrderedDict[int, Image.Image | None] = OrderedDict()

    def judge(self, groups: Iterable[Group], known: Mapping[IdPair, bool]) -> dict[IdPair, bool]:
        """Of each pair of keeper and member of tier perceptual that is not ``known``, by their image ids in order:
        whether the pictures themselves are copies too. One that cannot be looked at is not."""
        found: dict[IdPair, bool] = {}
        for group in groups:
            for member in open_members(group, known):
                key = pair_key(group.keeper, member)
                if key not in found:
                    found[key] = self._is_copy(group.keeper, member)
        return found

    def _is_copy(self, keeper: Copy, member: Member) -> bool:
        first, second = self._picture(keeper), self._picture(member.copy)
        if first is None or second is None:
            return False
        return bool(confirm(first, second, member.evidence.turn).is_copy[0])

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


def pair_key(keeper: Copy, member: Member) -> IdPair:
    """The two image ids, the lower first."""
    first, second = sorted((keeper.image_id, member.copy.image_id))
    return first, second


def open_members(group: Group, known: Mapping[IdPair, bool]) -> Sequence[Member]:
    """Members that nothing but signatures speaks for."""
    looked_at = (member for member in group.members if member.evidence.tier == LOOKED_AT)
    return [member for member in looked_at if pair_key(group.keeper, member) not in known]
