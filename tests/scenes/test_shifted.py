"""The shifted world: new things and colours, captions about them alone, the usual world untouched."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from imgsearch.cli import main
from imgsearch.scenes.dataset import make_set
from imgsearch.scenes.draw import draw_scene
from imgsearch.scenes.graph import WORLDS, sample_scene
from imgsearch.scenes.vocabulary import COLOURS, KINDS, SHIFTED_COLOURS, SHIFTED_NOUNS, grammar_words

SHIFTED = WORLDS["shifted"]


def test_shifted_world_has_six_things_and_three_colours_of_names_unknown_to_the_small_model():
    assert (len(SHIFTED.kinds), len(SHIFTED.colours)) == (6, 3)
    assert not {*SHIFTED.kinds, *SHIFTED.colours} & {*KINDS, *COLOURS}
    words = {word for noun in SHIFTED_NOUNS for pair in noun.words for word in pair}
    words |= {word for _, names in SHIFTED_COLOURS.values() for word in names}
    assert not words & set(grammar_words())


def test_shifted_captions_say_what_things_there_are_and_fit_one_picture():
    rows = make_set(300, seed=4, domain=SHIFTED)
    told = {frozenset((group.kind, group.colour, group.count) for group in row.scene.groups) for row in rows}
    assert len(told) == len(rows) == 300
    for row in rows:
        for statement in row.statements:
            assert statement.setting is None and statement.relation is None
            named = {(one.kind, one.colour, one.count) for one in statement.mentions}
            assert named == {(group.kind, group.colour, group.count) for group in row.scene.groups}
            assert all(mention.position is None for mention in statement.mentions)
    assert rows == make_set(300, seed=4, domain=SHIFTED)


def test_shifted_scene_is_painted_the_same_each_time_and_its_things_differ():
    rng = random.Random(8)
    scene = sample_scene(rng, SHIFTED)
    first, again = (np.asarray(draw_scene(scene, 64)[0]) for _ in range(2))
    assert (first == again).all()
    things = []
    for kind in SHIFTED.kinds:
        group = replace(scene.groups[0], kind=kind, count=1)
        things.append(np.asarray(draw_scene(replace(scene, groups=(group,)), 64)[0], int))
    for number, one in enumerate(things):
        assert all(np.abs(one - other).max() > 60 for other in things[:number])


def test_scenes_command_refuses_trained_pairs_of_the_shifted_world(tmp_path, capsys):
    assert main(["scenes", str(tmp_path / "x"), "--world", "shifted", "--pairs", "trained"]) == 2
    assert "leave --pairs out" in capsys.readouterr().err


@pytest.mark.parametrize("world", ["usual", "shifted"])
def test_scenes_command_draws_the_world_that_is_named(world, tmp_path):
    assert main(["scenes", str(tmp_path / world), "--world", world, "--count", "4", "--size", "32"]) == 0
    text = (tmp_path / world / "pairs.jsonl").read_text()
    assert any(f'"kind": "{kind}"' in text for kind in WORLDS[world].kinds)
