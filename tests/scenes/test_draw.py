"""Pictures: deterministic, varied, boxes where the paint is, colours that are what they are called."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from imgsearch.scenes.draw import draw_scene
from imgsearch.scenes.graph import Domain, ObjectGroup, Scene, sample_scene
from imgsearch.scenes.settings_art import PAINTERS
from imgsearch.scenes.shapes import SHAPES
from imgsearch.scenes.vocabulary import COLOURS, KINDS, SETTINGS


def test_every_kind_and_setting_has_its_art():
    assert set(SHAPES) == set(KINDS)
    assert set(PAINTERS) == set(SETTINGS)


def test_same_scene_gives_same_pixels_and_another_style_gives_others():
    scene = sample_scene(random.Random(1), Domain())
    first, again = np.asarray(draw_scene(scene)[0]), np.asarray(draw_scene(scene)[0])
    assert np.array_equal(first, again)
    other = np.asarray(draw_scene(replace(scene, style=scene.style + 1))[0])
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", KINDS)
def test_box_holds_the_paint_of_its_thing(kind):
    scene = Scene("grass", (ObjectGroup(kind, "red", "large", 1, "middle"),), style=5)
    picture, (box,) = draw_scene(scene)
    pixels = np.asarray(picture).astype(int)
    red = (pixels[..., 0] > 150) & (pixels[..., 1] < 90) & (pixels[..., 2] < 90)
    assert red.sum() > 60
    rows, columns = np.nonzero(red)
    side = picture.width
    slack = 0.02
    assert columns.min() / side >= box.x0 - slack and columns.max() / side <= box.x1 + slack
    assert rows.min() / side >= box.y0 - slack and rows.max() / side <= box.y1 + slack


def test_things_of_a_group_are_as_many_as_said_and_stand_apart():
    rng = random.Random(2)
    for _ in range(40):
        scene = sample_scene(rng, Domain())
        _, boxes = draw_scene(scene, size=64)
        for number, group in enumerate(scene.groups):
            mine = [box for box in boxes if box.group == number]
            assert len(mine) == group.count
            for i, a in enumerate(mine):
                for b in mine[i + 1 :]:
                    across = min(a.x1, b.x1) - max(a.x0, b.x0)
                    down = min(a.y1, b.y1) - max(a.y0, b.y0)
                    assert min(across, down) <= 0.1 * (a.x1 - a.x0)


@pytest.mark.parametrize("colour", COLOURS)
def test_paint_is_nearer_to_its_own_colour_than_to_any_other(colour):
    """The middle of balls, averaged over styles, by nearest base colour."""
    names = list(COLOURS)
    bases = np.array([COLOURS[name][0] for name in names])
    right = 0
    for style in range(10):
        picture, (box,) = draw_scene(Scene("room", (ObjectGroup("book", colour, "large", 1, "middle"),), style))
        side = picture.width
        x, y, r = (box.x0 + box.x1) / 2 * side, (box.y0 + box.y1) / 2 * side, (box.x1 - box.x0) / 2 * side
        patch = np.asarray(picture)[int(y + 0.3 * r) : int(y + 0.5 * r), int(x - 0.1 * r) : int(x + 0.2 * r)]
        mean = np.median(patch.reshape(-1, 3), axis=0)
        right += names[int(((bases - mean) ** 2).sum(axis=1).argmin())] == colour
    assert right >= 9
