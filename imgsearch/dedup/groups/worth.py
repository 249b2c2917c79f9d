"""Compares what a file and its copy hold, and so decides which of several may be kept in place of the others.

Whatever the keep rule prefers, a file that has lost frames, a film, depth, transparency, a wide colour space, pixels or
metadata is never kept in place of the one that has them. If each of two files has something that the other lacks, both
stay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from imgsearch.dedup.evidence.records import Copy, Evidence
from imgsearch.dedup.evidence.relation import another_shot
from imgsearch.dedup.pixels.inspection.cells import COPY_OF_EITHER
from imgsearch.dedup.pixels.inspection.grain import PERHAPS_ANOTHER_SHOT
from imgsearch.media.samples.whole import FileTraits
from imgsearch.storage.evidence.rows import Judged

_MORE_PIXELS = 1.02
_LESS_COMPRESSED = 1.5
_FINER = 0.9
"""Share of the other's steps at which a JPEG that is the smaller file counts as the less compressed: one saved again
with finer steps is larger than its source."""
_SAME_DENSITY = 0.01
_FAR_DEGREES = 0.01  # a kilometre
_SIGNS = 2  # signs of the source that must agree
_EDITORS = (
    *("photoshop", "lightroom", "gimp", "snapseed", "picasa", "affinity", "pixelmator", "luminar", "capture one"),
    *("darktable", "rawtherapee", "paint.net", "acdsee", "photoscape", "vsco", "instagram", "canva", "topaz", "dxo"),
    *("imagemagick", "photopea", "polarr", "skylum", "corel", "paintshop", "photodirector", "microsoft photo", "gmic"),
)
"""Words in EXIF's Software written by programs that change images; cameras write their firmware there."""

_TOLD = {
    "date": "when it was taken",
    "camera": "with what it was taken",
    "place": "where it was taken",
    "words": "a caption or keywords",
    "rating": "a rating",
    "people": "who is in it",
    "panorama": "that it is shown all around",
}
_UNKNOWN = FileTraits()


@dataclass(frozen=True, slots=True)
class Worth:
    """The known facts of one image beside its pixels. ``transparent``: None if it was not checked."""

    traits: FileTraits | None
    transparent: bool | None = None
    depth: int | None = None  # bits that its samples use, if they were read

    @property
    def alpha(self) -> bool:
        return self.transparent if self.transparent is not None else (self.traits or _UNKNOWN).has_alpha

    @property
    def bits(self) -> int:
        return max(8, self.depth if self.depth is not None else (self.traits or _UNKNOWN).depth)


_NOTHING_KNOWN = Worth(FileTraits())

ORDER_WORDS = (
    *(
        "more pictures in it",
        "has a film",
        "has a gain map",
        "more bits a sample",
        "has transparency",
        "more colours",
        "more pixels",
    ),
    *(
        "more metadata",
        "more words in it",
        "has data beside its picture",
        "has a palette",
        "says how large it is printed",
        "has files that belong to it",
    ),
)
"""Why a file is kept, by the places of `Judgement.order_of`."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """``worth_of``: by image id. ``judged``: results of closer looks, by image ids, the lower first. ``attached``: the
    number of files that belong to a file, by its path."""

    worth_of: Callable[[int], Worth] = lambda image_id: _NOTHING_KNOWN
    judged: Mapping[tuple[int, int], Judged] = field(default_factory=dict)
    attached: Callable[[str], int] = lambda path: 0

    def order_of(self, copy: Copy) -> tuple[int, ...]:
        """Sorts the file first that holds most of what a copy can lose."""
        worth = self.worth_of(copy.image_id)
        traits = worth.traits or _UNKNOWN
        return (
            -traits.images,
            -int(traits.film),
            -traits.maps,
            -worth.bits,
            -int(worth.alpha),
            -int(bool(traits.profile)),
            -_area(copy),
            -len(_told(traits)),
            -len(traits.words),
            -len(traits.other_data),
            -int(bool(traits.palette)),
            -int(bool(traits.density)),
            -self.attached(copy.path),
        )

    def stays(self, keeper: Copy, member: Copy, evidence: Evidence) -> str:
        """Why ``member``, a copy of ``keeper`` by ``evidence`` (the keeper first), must not be moved in its favour; ""
        if it may."""
        if evidence.tier == "bytes":
            return ""
        ours, theirs = (self.worth_of(copy.image_id) for copy in (keeper, member))
        if ours.traits is None or theirs.traits is None:
            return "not all of it could be read"
        found = self._says_otherwise(keeper, member, ours.traits, theirs.traits)
        return (
            found or self._has_more(keeper, ours, member, theirs, evidence) or self._altered(keeper, member, evidence)
        )

    @staticmethod
    def _says_otherwise(keeper: Copy, member: Copy, ours: FileTraits, theirs: FileTraits) -> str:
        shot = another_shot(ours, theirs)
        if shot:
            return f"its metadata say otherwise: {shot}"
        one, other = keeper.facts, member.facts
        if None not in (one.latitude, one.longitude, other.latitude, other.longitude):
            away = math.hypot(
                (one.latitude or 0) - (other.latitude or 0), (one.longitude or 0) - (other.longitude or 0)
            )
            if away > _FAR_DEGREES:
                return "its metadata name another place"
        return ""

    @staticmethod
    def _has_more(keeper: Copy, ours: Worth, member: Copy, theirs: Worth, evidence: Evidence) -> str:
        mine, its = ours.traits or _UNKNOWN, theirs.traits or _UNKNOWN
        if its.film and not mine.film:
            return "it alone has a film"
        if its.maps > mine.maps:
            return "it alone has a gain map or a depth map"
        for kind, words in _TOLD.items():
            if kind in _told(its) - _told(mine):
                return f"it alone tells {words}"
        for digest in sorted(its.other_data.keys() - mine.other_data.keys()):
            return f"it alone has {its.other_data[digest]}"
        if its.words - mine.words:
            return "it alone has some of its words"
        if its.rating and mine.rating and its.rating != mine.rating:
            return "it has another rating"
        if evidence.tier == "pixels":  # nothing else can differ
            if its.density and abs(its.density - mine.density) > _SAME_DENSITY * its.density:
                return "it is printed at another size" if mine.density else "it alone says how large it is printed"
            if its.palette and its.palette != mine.palette:
                return "its colours have other numbers" if mine.palette else "its colours alone have numbers"
            same = mine.map_digest and mine.map_digest == its.map_digest
            return "both have a gain map or a depth map, not known to be equal" if its.maps and not same else ""
        if its.uncompared:
            return "what it holds beside its first picture was not compared"
        pixels, its_pixels = _area(keeper), _area(member)
        if its.images > mine.images:
            return "it has more pictures in it"
        if theirs.bits > ours.bits:
            return f"it alone has {theirs.bits} bits a sample"
        if theirs.bits > 8:
            return f"both have {theirs.bits} bits a sample, not all of them equal"
        if theirs.alpha and not ours.alpha:
            return "it alone has transparency"
        if its.profile and its.profile != mine.profile:
            return "it alone has the colours of " + its.profile.rsplit(" ", 1)[0]
        if its_pixels > _MORE_PIXELS * pixels:
            return "it has more pixels"
        if its_pixels * _MORE_PIXELS > pixels:
            if its.lossless and mine.lossless:
                return "both keep every sample, and not all of them are equal"
            if its.lossless and not mine.lossless:
                return "it is not compressed with loss, the kept one is"
            finer = 0 < its.steps < _FINER * mine.steps and member.size_bytes <= keeper.size_bytes
            if not mine.lossless and (finer or member.size_bytes > _LESS_COMPRESSED * keeper.size_bytes):
                return "it is less compressed"
        return ""

    def _altered(self, keeper: Copy, member: Copy, evidence: Evidence) -> str:
        """If one of the two is more than the other saved again, it is moved only if several signs agree on the
        source."""
        key = (min(keeper.image_id, member.image_id), max(keeper.image_id, member.image_id))
        said = self.judged.get(key)
        if evidence.tier == "perceptual" and evidence.orientation != 1:
            return "turned or mirrored: nothing tells which of the two is the source"
        if said is not None and said.why in (PERHAPS_ANOTHER_SHOT, COPY_OF_EITHER):
            return said.why
        if said is None or not said.altered or self._signs(keeper, member, said.why) >= _SIGNS:
            return ""
        return f"{said.why}: nothing tells which of the two is the source"

    def _signs(self, keeper: Copy, member: Copy, altered: str) -> int:
        """The number of signs that the keeper is the source; none if one says that the member is. Pixels are no sign if
        one may be the other enlarged."""
        ours, theirs = ((self.worth_of(copy.image_id).traits or _UNKNOWN) for copy in (keeper, member))
        mine, its = _told(ours), _told(theirs)
        more = _area(keeper) - _area(member)
        edited, it_edited = _edited(ours), _edited(theirs)
        signs = (
            (mine > its, its > mine),
            (more > 0.25 * _area(member) and "enlarged" not in altered, -more > 0.02 * _area(keeper)),
            (it_edited and not edited, edited and not it_edited),
        )
        return 0 if any(against for _, against in signs) else sum(bool(in_favour) for in_favour, _ in signs)


def _told(traits: FileTraits) -> frozenset[str]:
    return traits.told & _TOLD.keys()


def _area(copy: Copy) -> int:
    return copy.facts.width * copy.facts.height


def _edited(traits: FileTraits) -> bool:
    software = traits.software.casefold()
    return "history" in traits.told or any(name in software for name in _EDITORS)
