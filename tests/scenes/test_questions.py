"""Questions about scenes: answered from the graph by hand, and by a second reader of the questions' own words."""

from __future__ import annotations

import random
import re

import pytest

from imgsearch.scenes.graph import Domain, ObjectGroup, Scene, sample_scene
from imgsearch.scenes.measure import answer_figures, caption_figures
from imgsearch.scenes.questions import QUESTION_KINDS, Question, any_question, ask, follow_up
from imgsearch.scenes.vocabulary import COLOURS, NOUNS, NUMBERS, POSITIONS, RELATIONS, SETTINGS

SCENE = Scene(
    "snow", (ObjectGroup("ball", "red", "small", 2, "left"), ObjectGroup("cat", "black", "large", 1, "right")), 1
)
RIGHT = {
    "what": (("cat", ()), ["cat", "a cat", "Kitten.", "a black cat", "the cat on the right", "one cat"]),
    "colour": (("red", ("red", "scarlet")), ["red", "Red.", "it is red", "scarlet"]),
    "how many": (("two", ()), ["two", "2", "There are two.", "TWO"]),
    "where": (("on the left", ("on the left", "left", "to the left of the cat")), ["on the left", "left", "the left"]),
    "yes/no": (("yes", ()), ["yes", "Yes.", "yes, there is"]),
}
WRONG = {
    "what": ["ball", "a red cat", "cat and balls", "", "two cats", "zebra"],
    "colour": ["blue", "", "red and blue"],
    "how many": ["three", "", "3", "two cats"],
    "where": ["on the right", "to the right of the cat", "", "in the sea"],
    "yes/no": ["no", "", "maybe", "No, there is not"],
}


def _question(kind: str) -> Question:
    answer, accepted = RIGHT[kind][0]
    return Question(kind, "?", answer, accepted, SCENE, SCENE.groups[1] if kind == "what" else SCENE.groups[0])


@pytest.mark.parametrize("kind", QUESTION_KINDS)
def test_question_takes_right_answers_however_worded(kind: str) -> None:
    assert [answer for answer in RIGHT[kind][1] if not _question(kind).is_right(answer)] == []


@pytest.mark.parametrize("kind", QUESTION_KINDS)
def test_question_refuses_wrong_answers(kind: str) -> None:
    assert [answer for answer in WRONG[kind] if _question(kind).is_right(answer)] == []


@pytest.mark.parametrize("kind", QUESTION_KINDS)
def test_question_is_answered_rightly_by_its_own_answer(kind: str) -> None:
    rng = random.Random(1)
    for _ in range(500):
        question = ask(sample_scene(rng, Domain()), kind, rng)
        assert question.kind == kind and question.is_right(question.answer), question
        assert "{" not in question.text and question.text[0].isupper() and question.text[-1] in "?."
        after = follow_up(question, rng)
        assert after.is_right(after.answer), after


def test_question_yes_and_no_are_as_likely() -> None:
    rng = random.Random(2)
    yes = sum(ask(sample_scene(rng, Domain()), "yes/no", rng).answer == "yes" for _ in range(2000))
    assert 900 < yes < 1100


def test_question_is_drawn_the_same_from_the_same_seed() -> None:
    first, second = (any_question(SCENE, random.Random(9)) for _ in range(2))
    assert first == second


_KIND = {word: noun.name for noun in NOUNS for pair in noun.words for word in pair}


def _named(text: str, table: dict[str, tuple[str, ...]]) -> str | None:
    """The name whose longest phrase stands in the text."""
    found = [(len(phrase), name) for name, phrases in table.items() for phrase in phrases if _holds(text, phrase)]
    return max(found)[1] if found else None


def _holds(text: str, phrase: str) -> bool:
    return re.search(rf"\b{phrase}\b", text) is not None


def _yes(text: str, scene: Scene) -> bool:
    """A yes/no question answered another way: by looking at which words it holds."""
    setting = _named(text, SETTINGS)
    for phrase in SETTINGS.get(setting or "", ()):
        text = text.replace(phrase, "")
    named = [_KIND[word] for word in re.findall(r"[a-z]+", text) if word in _KIND]
    groups = {group.kind: group for group in scene.groups}
    group = groups.get(named[0]) if named else None
    true = [kind in groups for kind in named]
    relation = _named(text, RELATIONS) if len(named) == 2 else None
    position = _named(text, POSITIONS)
    colours = [name for name in COLOURS if _holds(text, name)]
    numbers = [count for count, word in enumerate(NUMBERS) if _holds(text, word)]
    if setting:
        true.append(scene.setting == setting)
    if group:
        true += [group.colour == colour for colour in colours] + [group.count == number for number in numbers]
    if group and relation:
        place = {"left": "left", "right": "right", "top": "above", "bottom": "below"}[group.position]
        true.append(place == relation)
    elif group and position and not relation:
        true.append(group.position == position)
    return all(true)


def test_question_of_yes_or_no_agrees_with_a_second_reader() -> None:
    rng = random.Random(3)
    for _ in range(3000):
        scene = sample_scene(rng, Domain())
        question = ask(scene, "yes/no", rng)
        assert ("yes" if _yes(question.text.lower(), scene) else "no") == question.answer, question


def test_question_of_a_number_agrees_with_a_second_reader() -> None:
    rng = random.Random(4)
    for _ in range(1000):
        scene = sample_scene(rng, Domain())
        question = ask(scene, "how many", rng)
        text = question.text.lower()
        named = [_KIND[word] for word in re.findall(r"[a-z]+", text) if word in _KIND]
        place = _named(text, POSITIONS)
        matching = [g for g in scene.groups if (g.kind in named if named else g.position == place)]
        assert question.answer == NUMBERS[sum(group.count for group in matching)], question


def test_figures_are_shares_by_kind_and_aspect() -> None:
    captions = ["two red balls and a black cat", "two red balls and a white cat in the desert", "a star"]
    figures = caption_figures(captions, [SCENE] * 3)
    assert figures["all true"] == pytest.approx(100 / 3)
    assert figures["object and colour"] == pytest.approx(200 / 3)
    assert figures["object"] == pytest.approx(80)
    assert figures["colour"] == pytest.approx(75)
    assert figures["setting"] == 0 and "relation" not in figures
    answers = answer_figures([_question("colour"), _question("colour"), _question("yes/no")], ["red", "blue", "yes"])
    assert answers == {"colour": 50, "yes/no": 100, "all": pytest.approx(200 / 3)}
