"""Reading captions back: the claims of sentences written by hand, and of all that the generator says."""

from __future__ import annotations

import random

import pytest

from imgsearch.scenes.captions import any_statement, say
from imgsearch.scenes.graph import Domain, ObjectGroup, Scene, sample_scene
from imgsearch.scenes.truth import true_of

BALLS = ObjectGroup("ball", "red", "small", 2, "left")
CAT = ObjectGroup("cat", "black", "large", 1, "right")
SCENE = Scene("snow", (BALLS, CAT), 1)
LONE = Scene("night", (ObjectGroup("umbrella", "orange", "large", 1, "middle"),), 1)

TRUE = (
    "two red balls to the left of a black cat",
    "a black cat to the right of two scarlet balls in the snow",
    "in winter, one black kitten and two small red spheres",
    "there are two red balls on the left side and a large black cat on the right in the snow",
    "a photo of two red balls with a cat on a snowy field",
    "i see a cat, two balls",
    "2 red balls and the cat",
    "balls",
)
FALSE = {
    "two blue balls": ["colour"],
    "three red balls": ["count"],
    "a red ball": ["count"],
    "two red hats": ["object", "colour", "count"],
    "two large red balls": ["size"],
    "two red balls on the right": ["position"],
    "two red balls in the desert": ["setting"],
    "two red balls to the right of a black cat": ["relation"],
    "two red balls above a black cat": ["relation"],
    "two red balls above two red balls": ["count", "relation"],
    "two red balls left of": ["relation"],
    "two red balls left of a star": ["object", "count", "relation"],
    "two red balls and two red balls": ["count"],
    "two black balls and a red cat at night": ["colour", "colour", "setting"],
    "on the left": ["position"],
}


@pytest.mark.parametrize("caption", TRUE)
def test_truth_is_found_when_all_is_true(caption: str) -> None:
    found = true_of(caption, SCENE)
    assert found.all_true, found


@pytest.mark.parametrize("caption", FALSE)
def test_truth_names_what_is_false(caption: str) -> None:
    found = true_of(caption, SCENE)
    assert [claim.aspect for claim in found.claims if not claim.true] == FALSE[caption]
    assert not found.all_true


@pytest.mark.parametrize(
    ("caption", "coloured"),
    [
        ("two red balls", True),
        ("three red balls and a white house", True),
        ("two balls and a cat", False),
        ("two black balls and a red cat", False),
        ("a red hat", False),
        ("", False),
    ],
)
def test_truth_tells_whether_an_object_has_its_colour(caption: str, coloured: bool) -> None:
    assert true_of(caption, SCENE).coloured is coloured


@pytest.mark.parametrize("caption", ["", "and", "a zebra", "two red balls zorg", "red", "two red", "a photo of"])
def test_truth_is_denied_when_nothing_is_said_or_words_stay_unread(caption: str) -> None:
    assert not true_of(caption, SCENE).all_true


def test_truth_reads_orange_and_an_as_it_reads_the_rest() -> None:
    found = true_of("an orange parasol in the centre under the stars", LONE)
    assert [(claim.aspect, claim.true) for claim in found.claims] == [
        ("object", True),
        ("colour", True),
        ("count", True),
        ("position", True),
        ("setting", True),
    ]


def test_truth_agrees_with_statements_on_all_that_is_said() -> None:
    rng = random.Random(5)
    agreed = {True: 0, False: 0}
    for _ in range(3000):
        scene, narrow = sample_scene(rng, Domain()), Domain(kinds=("ball", "cat"), colours=("red", "blue"))
        if rng.random() < 0.7:  # scenes so alike that a caption of one is often true of the other
            scene = sample_scene(rng, narrow)
        other = sample_scene(rng, narrow)
        statement = any_statement(scene, rng)
        caption = say(statement, rng.getrandbits(32))
        assert true_of(caption, scene).all_true, (caption, scene)
        assert true_of(caption, other).all_true is statement.holds_of(other), (caption, other)
        agreed[statement.holds_of(other)] += 1
    assert min(agreed.values()) > 20
