"""What a description asks for, taken apart, and how pictures agree with the parts."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgsearch.search.calibration import Calibration, ScoreBackground
from imgsearch.search.query.parts import MAX_CLAUSES, Parts, agreements, bare_things, parts_of


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("a dog", ("a dog",)),
        ("Two red balls on the left and a cat above a house", ("two red balls on the left", "a cat", "a house")),
        ("a photo of a glass of wine to the right of a cake", ("a glass", "wine", "a cake")),
        ("the dog, on a skateboard!", ("the dog", "on a skateboard")),
        ("a cat and a cat", ("a cat",)),
        ("left", ("left",)),
        ("...", ("...",)),
    ],
)
def test_description_is_divided_between_its_things(text: str, clauses: tuple[str, ...]) -> None:
    assert parts_of(text).clauses == clauses


@given(st.text())
def test_parts_are_never_empty_and_few_for_any_text(text: str) -> None:
    parts = parts_of(text)
    assert parts.words and 0 < len(parts.clauses) <= MAX_CLAUSES
    assert parts.clauses == (text,) or all(clause in " ".join(text.lower().split()) for clause in parts.clauses)


def test_agreement_is_what_loops_find() -> None:
    rng = np.random.default_rng(5)
    tokens, sample, vectors = (rng.normal(size=s).astype(np.float32) for s in ((4, 3, 8), (30, 3, 8), (5, 8)))
    found = agreements(Parts(("a", "b"), ("c", "d", "e")), vectors, tokens, partial(ScoreBackground.of_many, sample))

    def score(picture: np.ndarray, part: int) -> float:
        return max(float(token @ vectors[part]) for token in picture)

    best = [max(score(picture, part) for picture in tokens) for part in (0, 1)]
    for picture, one in zip(tokens, found, strict=True):
        z = []
        for part in (0, 1):
            background = [score(other, part) for other in sample]
            z.append((score(picture, part) - np.mean(background)) / np.std(background))
        assert one.clauses == pytest.approx(np.mean([score(picture, part) for part in (0, 1)]), abs=1e-5)
        assert one.words == pytest.approx(np.mean([score(picture, part) for part in (2, 3, 4)]), abs=1e-5)
        assert one.weakest == pytest.approx(min(z), abs=1e-4)
        assert one.held == pytest.approx(min(best), abs=1e-5)


def test_no_picture_agrees_where_there_is_none() -> None:
    empty = np.empty((0, 3, 8), np.float32)
    assert agreements(Parts(("a",), ("a",)), np.ones((2, 8), np.float32), empty, lambda _: []) == []


def test_rule_from_before_the_parts_does_not_read_them() -> None:
    old = Calibration.from_json('{"margin_weight": 1, "itc_weight": 0, "z_weight": 0, "bias": 0, "least_z": 9}')
    assert not old.reads_parts
    assert Calibration(0.0, 0.0, 0.0, 0.0, 9.0, held_weight=1.0).reads_parts


@pytest.mark.parametrize(
    ("text", "things"),
    [
        ("cat umbrella", ("cat", "umbrella")),
        ("cat umbrella tree", ("cat", "umbrella", "tree")),
        ("a cat and an umbrella", ("cat", "umbrella")),
        ("Cat, umbrella", ("cat", "umbrella")),
        ("the cat beside a boat", ("cat", "boat")),
        ("a cat and a red boat", ()),
        ("two red birds under the stars", ()),
        ("cat", ()),
        ("a cat", ()),
        ("red boat", ()),
        ("boat red house blue", ()),
        ("two red boats on the left", ()),
        ("a boat at night", ()),
        ("of the", ()),
    ],
)
def test_bare_things_are_those_of_several_that_only_their_name_tells(text: str, things: tuple[str, ...]) -> None:
    assert bare_things(text) == things
