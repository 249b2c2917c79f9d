"""Scene graphs: the things in an image and their places; drawn at random from a seed, and turned into twins."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, replace
from typing import Any

from imgsearch.scenes.vocabulary import (
    COLOURS,
    KINDS,
    MAX_COUNT,
    SETTINGS,
    SHIFTED_COLOURS,
    SHIFTED_NOUNS,
    SIZES,
    UNSEEN_PAIRS,
)

TWIN_KINDS = ("colour", "count", "relation")
_OPPOSITE = {"left": "right", "right": "left", "top": "bottom", "bottom": "top", "middle": "middle"}


@dataclass(frozen=True, slots=True)
class ObjectGroup:
    """One to four equal things that stand together in one part of the image."""

    kind: str
    colour: str
    size: str  # "small" or "large"
    count: int  # 1-4
    position: str  # "left", "right", "top", "bottom", "middle"


@dataclass(frozen=True, slots=True)
class Scene:
    """A setting and one or two groups of different kinds. Two groups stand opposite each other, so exactly one
    of left/right or above/below holds between them. ``style`` seeds everything that the words leave open: jitter,
    shade, rotation, texture, clutter."""

    setting: str
    groups: tuple[ObjectGroup, ...]
    style: int

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types; `from_dict` reads it back."""
        return {**asdict(self), "groups": [asdict(group) for group in self.groups]}

    @staticmethod
    def from_dict(row: dict[str, Any]) -> Scene:
        """The scene that `as_dict` wrote; unknown keys are ignored."""
        fields = ("kind", "colour", "size", "count", "position")
        groups = tuple(ObjectGroup(**{name: group[name] for name in fields}) for group in row["groups"])
        return Scene(row["setting"], groups, int(row["style"]))


@dataclass(frozen=True, slots=True)
class Domain:
    """The range from which scenes are drawn; a curriculum begins with a narrow one. ``pairs`` says which colour-object
    pairs may appear: "all", "trained" (never a withheld one) or "unseen" (the first group is always a withheld one).
    ``things_only``: captions of single scenes say what things there are, and nothing of places and settings."""

    kinds: tuple[str, ...] = KINDS
    colours: tuple[str, ...] = tuple(COLOURS)
    settings: tuple[str, ...] = tuple(SETTINGS)
    pairs: str = "all"
    two_groups: float = 0.7  # share of scenes with two groups
    things_only: bool = False


WORLDS = {
    "usual": Domain(),
    # With places and settings in its captions, whose words the small model knows, it found 20 % of 500 pictures among
    # its first ten before it learned any of the new names; without, 4 %, where 2 % is chance.
    "shifted": Domain(
        kinds=tuple(noun.name for noun in SHIFTED_NOUNS),
        colours=tuple(SHIFTED_COLOURS),
        two_groups=1.0,
        things_only=True,
    ),
}
"""By name: the things and colours that the shipped models know, and others under new names."""


def sample_scene(rng: random.Random, domain: Domain) -> Scene:
    """One random scene."""
    first = _sample_group(rng, domain, unseen=domain.pairs == "unseen")
    setting, style = rng.choice(domain.settings), rng.getrandbits(32)
    if rng.random() >= domain.two_groups:
        position = rng.choice(("left", "right", "top", "bottom", "middle"))
        return Scene(setting, (replace(first, position=position),), style)
    second = _sample_group(rng, domain)
    while second.kind == first.kind:
        second = _sample_group(rng, domain)
    position = rng.choice(("left", "right", "top", "bottom"))
    return Scene(setting, (replace(first, position=position), replace(second, position=_OPPOSITE[position])), style)


def sample_family(rng: random.Random, domain: Domain) -> dict[str, Scene]:
    """A scene and its three twins: {"base", "colour", "count", "relation"}; two groups of different colours.

    The twins hold the same things with the colours exchanged, the counts exchanged (or, if they are equal, one
    count moved by one) or the places exchanged, and the same style."""
    while True:
        scene = sample_scene(rng, replace(domain, two_groups=1.0))
        if scene.groups[0].count == scene.groups[1].count and rng.random() < 0.6:
            continue
        family = {
            "base": scene,
            **{kind: make_twin(scene, kind, rng) for kind in TWIN_KINDS if _can_twin(scene, kind)},
        }
        if len(family) == 1 + len(TWIN_KINDS) and (domain.pairs == "all" or not _has_unseen(family["colour"])):
            return family


def make_twin(scene: Scene, kind: str, rng: random.Random) -> Scene:
    """The scene with one thing changed: "colour", "count" or "relation". Raises ValueError if the scene has no
    such twin (one group, or equal colours)."""
    if not _can_twin(scene, kind):
        raise ValueError(f"the scene has no {kind} twin: {scene}")
    a, b = scene.groups
    if kind == "relation":
        groups = (replace(b, position=a.position), replace(a, position=b.position))
    elif kind == "colour":
        groups = (replace(a, colour=b.colour), replace(b, colour=a.colour))
    elif a.count != b.count:
        groups = (replace(a, count=b.count), replace(b, count=a.count))
    else:
        step = rng.choice([step for step in (-1, 1) if 1 <= a.count + step <= MAX_COUNT])
        groups = (replace(a, count=a.count + step), b)
    return replace(scene, groups=groups)


def _can_twin(scene: Scene, kind: str) -> bool:
    return len(scene.groups) == 2 and (kind != "colour" or scene.groups[0].colour != scene.groups[1].colour)


def _has_unseen(scene: Scene) -> bool:
    return any((group.kind, group.colour) in UNSEEN_PAIRS for group in scene.groups)


def _sample_group(rng: random.Random, domain: Domain, *, unseen: bool = False) -> ObjectGroup:
    while True:
        kind, colour = rng.choice(domain.kinds), rng.choice(domain.colours)
        withheld = (kind, colour) in UNSEEN_PAIRS
        if withheld == unseen if domain.pairs != "all" else True:
            break
    count = rng.choice((1, 1, 2, 2, 3, 3, 4))
    return ObjectGroup(kind, colour, rng.choice(tuple(SIZES)), count, "middle")
