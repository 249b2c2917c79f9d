"""Captions: statements about a scene, a check of their truth, and their English wording."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from typing import TypeVar

from imgsearch.scenes.graph import ObjectGroup, Scene
from imgsearch.scenes.vocabulary import (
    NUMBERS,
    OPENINGS,
    POSITIONS,
    RELATIONS,
    SETTINGS,
    SIZES,
    colour_of,
    noun_of,
)

_T = TypeVar("_T")
RELATION_OF = {"left": "left", "right": "right", "top": "above", "bottom": "below"}


@dataclass(frozen=True, slots=True)
class Mention:
    """A caption's mention of one group. The count is always given ("a", "two" ...) and means exactly so many."""

    kind: str
    count: int
    colour: str | None = None
    size: str | None = None
    position: str | None = None

    def holds_of(self, group: ObjectGroup) -> bool:
        return (
            self.kind == group.kind
            and self.count == group.count
            and self.colour in (None, group.colour)
            and self.size in (None, group.size)
            and self.position in (None, group.position)
        )


@dataclass(frozen=True, slots=True)
class SceneStatement:
    """Mentions of one or two groups, optionally the setting, optionally the relation of the first to the second."""

    mentions: tuple[Mention, ...]
    setting: str | None = None
    relation: str | None = None  # "left", "right", "above", "below"

    def holds_of(self, scene: Scene) -> bool:
        """True if the whole statement holds for the scene; decided from the graph alone."""
        if self.setting not in (None, scene.setting):
            return False
        found = []
        for mention in self.mentions:
            match = next((group for group in scene.groups if mention.holds_of(group)), None)
            if match is None:
                return False
            found.append(match)
        return self.relation is None or relation_between(found[0], found[1]) == self.relation


def relation_between(first: ObjectGroup, second: ObjectGroup) -> str:
    """The relation of the first group to the second: "left", "right", "above" or "below"."""
    del second  # groups stand opposite each other, so the first one's place decides
    return RELATION_OF[first.position]


def full_statement(scene: Scene, rng: random.Random) -> SceneStatement:
    """A statement that distinguishes a two-group scene from its colour, count and relation twins."""
    groups = list(scene.groups)
    if rng.random() < 0.5:
        groups.reverse()
    sized = rng.random() < 0.15
    setting = scene.setting if rng.random() < 0.5 else None
    if rng.random() < 0.6:
        mentions = tuple(Mention(g.kind, g.count, g.colour, g.size if sized else None) for g in groups)
        return SceneStatement(mentions, setting, relation_between(groups[0], groups[1]))
    mentions = tuple(Mention(g.kind, g.count, g.colour, g.size if sized else None, g.position) for g in groups)
    return SceneStatement(mentions, setting)


def any_statement(scene: Scene, rng: random.Random) -> SceneStatement:
    """A true statement of any detail: one group or both, with or without colour, size, place and setting."""
    if len(scene.groups) == 2 and rng.random() < 0.5:
        return full_statement(scene, rng)
    groups = rng.sample(scene.groups, rng.choice((1, len(scene.groups))))
    place = rng.random() < 0.4
    mentions = tuple(
        Mention(
            group.kind,
            group.count,
            group.colour if rng.random() < 0.9 else None,
            group.size if rng.random() < 0.25 else None,
            group.position if place else None,
        )
        for group in groups
    )
    return SceneStatement(mentions, scene.setting if rng.random() < 0.6 else None)


def things_statement(scene: Scene, rng: random.Random) -> SceneStatement:
    """What things there are, how many and of which colour; nothing of places and settings."""
    groups = rng.sample(scene.groups, len(scene.groups))
    return SceneStatement(tuple(Mention(group.kind, group.count, group.colour) for group in groups))


def say(statement: SceneStatement, seed: int) -> str:
    """English for the statement: a template and synonyms chosen by the seed. The same seed chooses the same words
    for the same things, so twins have captions of the same words in another order."""
    opening = _choose(OPENINGS, seed, "opening")
    parts = [_say_mention(mention, seed) for mention in statement.mentions]
    where = _choose(SETTINGS[statement.setting], seed, "setting") if statement.setting else ""
    if statement.relation:
        body = f"{parts[0]} {_choose(RELATIONS[statement.relation], seed, 'relation')} {parts[1]}"
    elif len(parts) == 2:
        body = f"{parts[0]}{_choose((' and ', ' and ', ' with ', ', '), seed, 'joint')}{parts[1]}"
    else:
        body = parts[0]
    if where and not opening and _noise(seed, "front") < 0.25:
        return f"{where}, {body}"
    if opening == "there is " and statement.mentions[0].count > 1:
        opening = "there are "
    return f"{opening}{body} {where}".strip()


def _say_mention(mention: Mention, seed: int) -> str:
    words = []
    if mention.size:
        words.append(_choose(SIZES[mention.size], seed, mention.size))
    if mention.colour:
        words.append(_usual(colour_of(mention.colour)[1], seed, mention.colour))
    singular, plural = _usual(noun_of(mention.kind).words, seed, mention.kind)
    words.append(singular if mention.count == 1 else plural)
    if mention.count > 1:
        number = NUMBERS[mention.count]
    elif _noise(seed, "one") < 0.15:
        number = "one"
    else:
        number = "an" if words[0][0] in "aeiou" else "a"
    place = f" {_choose(POSITIONS[mention.position], seed, mention.position)}" if mention.position else ""
    return f"{number} {' '.join(words)}{place}"


def _noise(seed: int, key: str) -> float:
    """A number in [0, 1) that depends only on the seed and the key."""
    digest = hashlib.blake2b(f"{seed}:{key}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32


def _choose(choices: tuple[_T, ...], seed: int, key: str) -> _T:
    return choices[int(_noise(seed, key) * len(choices))]


def _usual(choices: tuple[_T, ...], seed: int, key: str) -> _T:
    """The first word four times out of five, else one of the others."""
    usual = len(choices) == 1 or _noise(seed, key) < 0.8
    return choices[0] if usual else _choose(choices[1:], seed, key + "?")
