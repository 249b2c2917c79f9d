"""Frames of one series are told before any look; what may be a copy among them is still looked at."""

from __future__ import annotations

import itertools

from imgsearch.dedup.tiers.candidates import Alike
from imgsearch.dedup.tiers.series import CROWD, Shot, chosen_looks, seconds_between, shot_of
from imgsearch.records import MediaFacts


def frames(count, pattern="frame_#.png", folder="/belt", size=(640, 480)):
    return {row: Shot(folder, pattern, size, None, None) for row in range(count)}


def all_pairs(rows, correlation=0.9):
    return [Alike(a, b, correlation=correlation) for a, b in itertools.combinations(rows, 2)]


def test_crowd_is_looked_at_against_its_keeper_and_the_most_alike():
    count = 40
    pairs = all_pairs(range(count))
    found = chosen_looks(pairs, frames(count))
    keys = {(pair.first, pair.second) for pair in found.looked_at}
    assert {(0, row) for row in range(1, count)} <= keys
    assert len(found.looked_at) <= 2 * count
    assert len(found.looked_at) + len(found.series) == len(pairs)


def test_pair_more_alike_than_the_rest_of_a_crowd_is_looked_at():
    count = 40
    pairs = [pair for pair in all_pairs(range(count)) if (pair.first, pair.second) != (17, 31)]
    found = chosen_looks([*pairs, Alike(17, 31, correlation=0.99)], frames(count))
    assert (17, 31) in {(pair.first, pair.second) for pair in found.looked_at}


def test_keeper_is_joined_to_frames_that_were_not_named_with_it():
    count = CROWD + 6
    ring = {tuple(sorted((row, (row + step) % count))) for row in range(count) for step in range(1, 7)}
    found = chosen_looks([Alike(*key, correlation=0.9) for key in sorted(ring)], frames(count))
    assert {(0, row) for row in range(1, count)} <= {(pair.first, pair.second) for pair in found.looked_at}


def test_few_pictures_and_pictures_of_many_sizes_are_no_crowd():
    few = all_pairs(range(12))
    assert chosen_looks(few, frames(12)).looked_at == few
    sizes = {row: Shot("/album", "IMG_#.jpg", (640 - row, 480), None, None) for row in range(40)}
    many = all_pairs(range(40))
    assert chosen_looks(many, sizes).looked_at == many
    folders = {row: Shot(f"/{row}", "IMG_#.jpg", (640, 480), None, None) for row in range(40)}
    assert chosen_looks(many, folders).looked_at == many


def test_crop_beside_a_crowd_is_looked_at_against_every_frame():
    shots = frames(40) | {40: Shot("/belt", "frame_#.png", (600, 440), None, None)}
    crops = [Alike(row, 40, correlation=0.9) for row in range(40)]
    found = chosen_looks([*all_pairs(range(40)), *crops], shots)
    assert set(crops) <= set(found.looked_at)


def test_alike_pictures_that_are_not_numbered_are_no_crowd():
    shots = {row: Shot("/belt", f"{'ab'[row % 2] * (row + 1)}.png", (640, 480), None, None) for row in range(40)}
    assert chosen_looks(all_pairs(range(40)), shots).looked_at == all_pairs(range(40))


def test_shot_is_known_by_folder_number_and_size():
    facts = MediaFacts("0" * 64, 0, 640, 480, "JPEG", 9, taken_at="2026-05-01T10:00:00", camera="Maker")
    one, other = (shot_of(f"/a/day 2/IMG_{number}.jpg", facts) for number in ("0007", "0108"))
    assert one == other and one.pattern == "IMG_#.jpg" and one.is_beside(other)
    assert not one.is_beside(shot_of("/a/day 3/IMG_0108.jpg", facts))
    assert not shot_of("/a/flower.jpg", facts).is_beside(shot_of("/a/flower.jpg", facts))


def test_seconds_are_those_of_one_camera_with_times():
    shots = [
        Shot("/a", "#", (1, 1), at, camera)
        for at, camera in (
            ("2026-05-01T10:00:00", "Maker"),
            ("2026-05-01T10:00:04.5", "Maker"),
            ("2026-05-01T10:00:04", "Another"),
            (None, "Maker"),
            ("yesterday", "Maker"),
        )
    ]
    assert [seconds_between(shots[0], other) for other in shots] == [0, 4.5, None, None, None]
    assert seconds_between(shots[0], None) is None
