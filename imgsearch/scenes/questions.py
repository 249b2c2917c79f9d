"""Questions about a scene with their right answers, of five kinds, and whether an answer given is right.

Only what the graph decides is asked, and only where one answer is right: kinds differ within a scene, so "the ball"
names one group; a place is asked for what stands there; "are there two balls?" is not asked of three, which hold two.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from imgsearch.scenes import wordings
from imgsearch.scenes.captions import relation_between
from imgsearch.scenes.graph import ObjectGroup, Scene
from imgsearch.scenes.truth import true_of
from imgsearch.scenes.vocabulary import (
    COLOURS,
    KINDS,
    MAX_COUNT,
    NUMBERS,
    POSITIONS,
    RELATIONS,
    SETTINGS,
    noun_of,
)

QUESTION_KINDS = ("what", "colour", "how many", "where", "yes/no")
_ABSENT_SHARE = 0.1  # of the "how many" questions, those about what is not there
_NOTHING = ("zero", "none", "no", "nothing")
_UNDER_STARS = "under the stars"  # at night, or below things of the kind "star": asked only where it means one thing
_ARTICLES = frozenset(("a", "an", "the", "it", "is", "are", "they", "there"))


@dataclass(frozen=True, slots=True)
class Question:
    """``answer`` is the one that training teaches; `is_right` takes ``accepted`` ones too, without articles and case.
    ``about``: the group that it is about, which "it" or "they" may mean in the next question."""

    kind: str
    text: str
    answer: str
    accepted: tuple[str, ...]
    scene: Scene
    about: ObjectGroup | None = None

    def is_right(self, answer: str) -> bool:
        """Whether an answer given is right: one of the accepted ones, or, to "what", words that name just the things
        asked for and say nothing false."""
        plain = _plain(answer)
        if self.kind == "yes/no":
            return plain.split(" ")[0] == self.answer
        if plain in {_plain(one) for one in (self.answer, *self.accepted)}:
            return True
        found = true_of(answer, self.scene)
        if self.kind != "what" or not found.all_true:
            return False
        asked = {self.about.kind} if self.about else {group.kind for group in self.scene.groups}
        return {mention.kind for mention in found.mentions} == asked


def _plain(text: str) -> str:
    words = re.findall(r"[a-z0-9]+", text.lower())
    words = [NUMBERS[int(word)] if word.isdigit() and int(word) <= MAX_COUNT else word for word in words]
    return " ".join(word for word in words if word not in _ARTICLES)


def ask(scene: Scene, kind: str, rng: random.Random) -> Question:
    """A question of one of `QUESTION_KINDS` about the scene."""
    return _ASK[kind](scene, rng)


def any_question(scene: Scene, rng: random.Random) -> Question:
    """A question of a kind drawn evenly."""
    return ask(scene, rng.choice(QUESTION_KINDS), rng)


def follow_up(before: Question, rng: random.Random) -> Question:
    """A question that calls what the one before was about "it" or "they"; any question if that was about no group."""
    group, scene = before.about, before.scene
    if group is None:
        return any_question(scene, rng)
    kind = rng.choice(("colour", "how many", "where", "yes/no"))
    words: tuple[str, ...]
    if kind == "how many":
        text, words = "How many are there?", (NUMBERS[group.count],)
    elif kind == "colour":
        text = f"What {rng.choice(('colour', 'color'))} {_are(group)} {_they(group)}?"
        words = COLOURS[group.colour][1]
    elif kind == "where":
        text, words = f"Where {_are(group)} {_they(group)}?", _where_words(scene, group)
    else:
        colour = _other_or(group.colour, COLOURS, rng)
        text = f"{_are(group).capitalize()} {_they(group)} {colour}?"
        words = ("yes" if colour == group.colour else "no",)
    return Question(kind, text, words[0], words, scene, group)


def _ask_what(scene: Scene, rng: random.Random) -> Question:
    group = rng.choice(scene.groups)
    ways: list[tuple[tuple[str, ...], dict[str, str]]] = [(wordings.WHAT_PLACE, {"place": _place(group, rng)})]
    if len(scene.groups) == 1 or rng.random() < 0.3:
        ways = [(wordings.WHAT_ALL, {})]
    elif rng.random() < 0.4:
        other = _other(scene, group)
        relation = _relation_words(relation_between(group, other), other, rng)
        ways = [(wordings.WHAT_RELATION, {"relation": relation, "other": _noun(other)})]
    elif all(other.colour != group.colour for other in scene.groups if other != group) and rng.random() < 0.4:
        ways = [(wordings.WHAT_COLOUR, {"colour": group.colour})]
    templates, words = ways[0]
    text = rng.choice(templates).format(**words)
    about = group if templates is not wordings.WHAT_ALL or len(scene.groups) == 1 else None
    named = scene.groups if about is None else (group,)
    answer = " and ".join(_noun(one) for one in named)
    return Question("what", text, answer, (), scene, about)


def _ask_colour(scene: Scene, rng: random.Random) -> Question:
    group = rng.choice(scene.groups)
    templates = wordings.COLOUR_PLACE if rng.random() < 0.15 else wordings.COLOUR
    text = _fill(rng.choice(templates), group, rng)
    words = COLOURS[group.colour][1]
    return Question("colour", text, words[0], words, scene, group)


def _ask_count(scene: Scene, rng: random.Random) -> Question:
    group = rng.choice(scene.groups)
    if rng.random() < _ABSENT_SHARE:
        absent = ObjectGroup(_absent(scene, rng), rng.choice(tuple(COLOURS)), group.size, 2, group.position)
        text = _fill(rng.choice(wordings.COUNT), absent, rng)
        return Question("how many", text, _NOTHING[0], _NOTHING, scene)
    templates = wordings.COUNT_PLACE if rng.random() < 0.15 else wordings.COUNT
    text = _fill(rng.choice(templates), group, rng)
    return Question("how many", text, NUMBERS[group.count], (), scene, group)


def _ask_where(scene: Scene, rng: random.Random) -> Question:
    if rng.random() < 0.25:
        words = SETTINGS[scene.setting]
        return Question("where", rng.choice(wordings.WHERE_SETTING), words[0], words, scene)
    group = rng.choice(scene.groups)
    accepted = _where_words(scene, group)
    if len(scene.groups) == 2 and rng.random() < 0.2:
        other = _other(scene, group)
        text = _fill(rng.choice(wordings.WHERE_RELATION), group, rng, other=_noun(other))
        answer = f"{RELATIONS[relation_between(group, other)][0]} the {_noun(other)}"
        return Question("where", text, answer, accepted, scene, group)
    return Question("where", _fill(rng.choice(wordings.WHERE), group, rng), accepted[0], accepted, scene, group)


def _where_words(scene: Scene, group: ObjectGroup) -> tuple[str, ...]:
    """All that answers where a group is: its place, what it is beside, and the setting."""
    words = [*POSITIONS[group.position], group.position, *SETTINGS[scene.setting]]
    for other in scene.groups:
        if other != group:
            relation = relation_between(group, other)
            phrases = (*RELATIONS[relation], *(("to the " + relation,) if relation in POSITIONS else ()))
            words += [
                *phrases,
                *(f"{phrase} the {noun}" for phrase in phrases for pair in noun_of(other.kind).words for noun in pair),
            ]
    return tuple(words)


def _ask_yes_no(scene: Scene, rng: random.Random) -> Question:
    """Yes and no are as likely, whatever is asked."""
    group, yes = rng.choice(scene.groups), rng.random() < 0.5
    claims: list[Callable[[Scene, ObjectGroup, bool, random.Random], str]] = [
        *(_claim_existence, _claim_existence, _claim_colour, _claim_colour, _claim_count, _claim_place, _claim_setting),
        *((_claim_relation, _claim_relation) if len(scene.groups) == 2 else ()),
    ]
    claim = rng.choice(claims)
    text, answer = claim(scene, group, yes, rng), "yes" if yes else "no"
    return Question("yes/no", text, answer, (), scene, group if yes or claim is not _claim_existence else None)


def _claim_existence(scene: Scene, group: ObjectGroup, yes: bool, rng: random.Random) -> str:
    coloured = rng.random() < 0.5
    colour, kind, count = group.colour, group.kind, group.count
    if not yes and coloured and rng.random() < 0.5:
        colour = _another(colour, COLOURS, rng)
    elif not yes:
        kind, count = _absent(scene, rng), rng.choice((1, 2))
    singular, plural = noun_of(kind).words[0]
    if count > 1 and rng.random() < 0.5:
        things = f"{colour} {plural}" if coloured else plural
        return rng.choice(wordings.EXIST_MANY).format(things=things)
    thing = f"{colour} {singular}" if coloured else singular
    return rng.choice(wordings.EXIST_ONE).format(thing=("an " if thing[0] in "aeiou" else "a ") + thing)


def _claim_colour(scene: Scene, group: ObjectGroup, yes: bool, rng: random.Random) -> str:
    others = [other.colour for other in scene.groups if other.colour != group.colour]
    lure = rng.choice(others) if others and rng.random() < 0.5 else _another(group.colour, COLOURS, rng)
    return _fill(rng.choice(wordings.IS_COLOUR), group, rng, colour=group.colour if yes else lure)


def _claim_count(scene: Scene, group: ObjectGroup, yes: bool, rng: random.Random) -> str:
    count = group.count if yes else rng.choice([n for n in range(1, MAX_COUNT + 1) if n != group.count])
    exactly = count == 1 or count < group.count or rng.random() < 0.5
    noun = noun_of(group.kind).words[0][count > 1]
    return f"{'Is' if count == 1 else 'Are'} there {'exactly ' if exactly else ''}{NUMBERS[count]} {noun}?"


def _claim_place(scene: Scene, group: ObjectGroup, yes: bool, rng: random.Random) -> str:
    position = group.position if yes else _another(group.position, POSITIONS, rng)
    return _fill(rng.choice(wordings.IS_PLACE), group, rng, place=rng.choice(POSITIONS[position]))


def _claim_setting(scene: Scene, group: ObjectGroup, yes: bool, rng: random.Random) -> str:
    setting = scene.setting if yes else _another(scene.setting, SETTINGS, rng)
    starry = any(one.kind == "star" for one in scene.groups)
    phrases = [phrase for phrase in SETTINGS[setting] if not (starry and phrase == _UNDER_STARS)]
    return _fill(rng.choice(wordings.IS_SETTING), group, rng, setting=rng.choice(phrases))


def _claim_relation(scene: Scene, group: ObjectGroup, yes: bool, rng: random.Random) -> str:
    other = _other(scene, group)
    true = relation_between(group, other)
    relation = true if yes else _another(true, RELATIONS, rng)
    words = {"relation": _relation_words(relation, other, rng), "other": _noun(other)}
    return _fill(rng.choice(wordings.IS_RELATION), group, rng, **words)


def _fill(template: str, group: ObjectGroup, rng: random.Random, **given: str) -> str:
    words = {
        "noun": _noun(group),
        "plural": noun_of(group.kind).words[0][1],
        "is": _are(group),
        "Is": _are(group).capitalize(),
        "does": "does" if group.count == 1 else "do",
        "colour": group.colour,
        "place": _place(group, rng),
        **given,
    }
    return template.format(**words)


def _noun(group: ObjectGroup) -> str:
    return noun_of(group.kind).words[0][group.count > 1]


def _relation_words(relation: str, other: ObjectGroup, rng: random.Random) -> str:
    """A phrase for it, before "the ..."."""
    noun = _noun(other)
    return rng.choice([phrase for phrase in RELATIONS[relation] if f"{phrase} the {noun}" != _UNDER_STARS])


def _are(group: ObjectGroup) -> str:
    return "is" if group.count == 1 else "are"


def _they(group: ObjectGroup) -> str:
    return "it" if group.count == 1 else "they"


def _place(group: ObjectGroup, rng: random.Random) -> str:
    return rng.choice(POSITIONS[group.position])


def _other(scene: Scene, group: ObjectGroup) -> ObjectGroup:
    return next(other for other in scene.groups if other != group)


def _another(name: str, table: Iterable[str], rng: random.Random) -> str:
    return rng.choice([other for other in table if other != name])


def _other_or(name: str, table: Iterable[str], rng: random.Random) -> str:
    return name if rng.random() < 0.5 else _another(name, table, rng)


def _absent(scene: Scene, rng: random.Random) -> str:
    return rng.choice([kind for kind in KINDS if all(kind != group.kind for group in scene.groups)])


_ASK: dict[str, Callable[[Scene, random.Random], Question]] = {
    "what": _ask_what,
    "colour": _ask_colour,
    "how many": _ask_count,
    "where": _ask_where,
    "yes/no": _ask_yes_no,
}
