"""Altered copies and look-alikes: what is written is what the truth says."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image

from imgsearch.errors import UsageError
from imgsearch.media.decode import open_upright
from imgsearch.scenes.alterations import alterations
from imgsearch.scenes.copies import read_truth, with_other_metadata, write_copies
from imgsearch.scenes.draw import draw_scene
from imgsearch.scenes.graph import Domain, sample_scene
from imgsearch.scenes.look_alikes import FAMILIES, look_alikes


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("originals")
    for number, suffix in enumerate((".png", ".jpg")):
        draw_scene(sample_scene(random.Random(number), Domain()), 96)[0].save(folder / f"{number}{suffix}", quality=92)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def written(originals, tmp_path_factory):
    folder = tmp_path_factory.mktemp("copies") / "new"
    return folder, write_copies(originals, folder, 7)


def test_copies_are_written_as_the_truth_says_and_can_be_read(written):
    folder, truth = written
    assert {path.name for path in folder.iterdir()} == {row.path for row in truth} | {"truth.jsonl"}
    assert read_truth(folder) == truth
    assert len(truth) == 2 * (len(alterations()) + 2) + 1  # originals, same bytes, one JPEG with other metadata
    for row in truth:
        assert min(open_upright(folder / row.path, 64).size) >= 8


def test_copies_of_the_same_pixels_show_the_same_pixels(written):
    folder, truth = written
    same = [row for row in truth if row.tier in ("bytes", "pixels")]
    assert len(same) > 20
    for row in same:
        copy, original = (np.asarray(open_upright(folder / name, 4096)) for name in (row.path, row.source))
        assert np.array_equal(copy, original), row


def test_copies_of_other_tiers_differ_from_their_original(written):
    folder, truth = written
    for row in truth:
        if row.tier in ("perceptual", "near"):
            copy, original = (open_upright(folder / name, 4096) for name in (row.path, row.source))
            assert copy.size != original.size or np.asarray(copy).tobytes() != np.asarray(original).tobytes(), row


def test_copies_are_the_same_for_the_same_seed_and_others_for_another(originals, tmp_path):
    contents = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_copies(originals[:1], tmp_path / name, seed, each=5)
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1] != contents[2]


def test_copies_are_refused_where_the_folder_holds_something(originals, tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(UsageError, match="not an empty folder"):
        write_copies(originals, tmp_path, 1)


def test_file_that_is_no_picture_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UsageError, match="cannot be read as a picture"):
        write_copies([tmp_path / "notes.txt"], tmp_path / "out", 1)


def test_metadata_changes_the_bytes_alone(originals):
    data = originals[1].read_bytes()
    other = with_other_metadata(data, random.Random(3))
    assert other != data and other.endswith(data[2:])


def test_look_alikes_are_never_the_same_picture_twice():
    for family in FAMILIES:
        pictures = list(FAMILIES[family](random.Random(5)))
        assert len({picture.tobytes() for picture in pictures}) == len(pictures) >= 4, family
        assert all(picture.mode == "RGB" for picture in pictures)


def test_look_alikes_are_the_same_for_the_same_seed():
    first = next(look_alikes(9, 1))
    again = next(look_alikes(9, 1))
    assert first[:2] == again[:2] == ("belt", 0)
    assert first[2].tobytes() == again[2].tobytes() != next(look_alikes(10, 1))[2].tobytes()


def test_frames_of_a_belt_differ_in_one_place_only():
    first, second, *_ = FAMILIES["belt"](random.Random(2))
    change = np.abs(np.asarray(first, int) - np.asarray(second, int)).max(axis=2)
    assert np.median(change) < 12  # grain of the sensor
    assert (change > 40).mean() < 0.08
    assert Image.fromarray((change > 40).astype(np.uint8)).getbbox() is not None
