"""Frames of a series whose signatures are alike are compared with few others; a copy among them is still found."""

from __future__ import annotations

import itertools
import random

import pytest
from pictured_library import PicturedLibrary, picture
from PIL import Image, ImageDraw

from imgsearch.dedup.evidence.records import Evidence, Pair
from imgsearch.dedup.find import FindOptions, compare, groups_of
from imgsearch.dedup.groups import grouping
from imgsearch.dedup.groups.crowds import crowded_images, left_to_series
from imgsearch.dedup.tiers.series import CROWD, LEAST_NEIGHBOURS, Shot

TIERS = ("bytes", "pixels", "perceptual")
FRAMES = range(1, CROWD + 7)


def pairs(ids, tier="perceptual", score=0.8):
    return [Pair(*key, Evidence(tier, score)) for key in itertools.combinations(ids, 2)]


def frames(ids):
    return {number: Shot("/belt", "frame#.jpg", (640, 480), None, None) for number in ids}


def test_frames_are_compared_with_the_first_and_the_one_most_alike() -> None:
    every = [pair for pair in pairs(FRAMES) if (pair.first, pair.second) != (9, 21)]
    every.append(Pair(9, 21, Evidence("perceptual", 0.99)))
    left = left_to_series(every, crowded_images(every), frames(FRAMES))
    compared = {(pair.first, pair.second) for pair in every} - left
    assert (9, 21) in compared and {(1, number) for number in FRAMES[1:]} <= compared
    assert len(compared) <= 2 * len(FRAMES)


def test_pictures_of_other_names_and_pairs_of_other_tiers_are_compared() -> None:
    unnumbered = {number: Shot("/belt", f"{'a' * number}.jpg", (640, 480), None, None) for number in FRAMES}
    assert not left_to_series(pairs(FRAMES), frozenset(FRAMES), unnumbered)
    assert not crowded_images(pairs(FRAMES, "pixels"))
    assert not left_to_series(pairs(FRAMES, "pixels"), frozenset(FRAMES), frames(FRAMES))


def test_pictures_with_few_that_are_alike_are_no_crowd() -> None:
    assert not crowded_images(pairs(range(LEAST_NEIGHBOURS)))
    assert crowded_images(pairs(range(LEAST_NEIGHBOURS + 1))) == frozenset(range(LEAST_NEIGHBOURS + 1))


def test_belt_of_frames_is_looked_at_little_and_its_copies_are_found(tmp_path, monkeypatch) -> None:
    made = PicturedLibrary(tmp_path)
    rng = random.Random(4)
    still = picture(5, (320, 240))
    names = []
    for number in range(CROWD + 4):
        frame = still.copy()
        centre = 10 + 5 * number
        ImageDraw.Draw(frame).ellipse((centre - 4, 60, centre + 4, 68), fill=(200, 40, 40))
        frame = frame.point([min(255, value + rng.randint(0, 1)) for value in range(256)] * 3)
        names.append(made.save(frame, f"frame{number:04}.jpg", quality=96).name)
    for number in (3, 17):
        with Image.open(made.photos / names[number]) as frame:
            names.append(made.save(frame.copy(), f"frame{number + 900:04}.jpg", quality=80).name)
    made.index(names)
    looked: list[int] = []
    taken = grouping.verdicts

    def counted(looks, *given):
        return taken((looked.append(1) or look for look in looks), *given)

    monkeypatch.setattr(grouping, "verdicts", counted)
    evidence = made.store.evidence()
    compare(made.store, evidence, TIERS, lambda *_: None)
    groups = groups_of(made.store, evidence, FindOptions(TIERS), pytest.fail, lambda *_: None)
    moved = {member.copy.path[-13:] for group in groups for member in group.members if member.move}
    assert moved == {"frame0903.jpg", "frame0917.jpg"}
    assert 0 < len(looked) <= 2 * len(names)
