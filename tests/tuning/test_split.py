"""What is withheld: whole groups of copies, the same for a seed; copies found by what is in the files."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image

from imgsearch.errors import UsageError
from imgsearch.progress import Silence
from imgsearch.tuning.pictures.copies import find_groups
from imgsearch.tuning.pictures.source import Pictures, Truth, TuningPairs
from imgsearch.tuning.pictures.split import split_groups


def test_copies_never_stand_on_both_sides_and_each_picture_on_one():
    rng = np.random.default_rng(2)
    for seed in range(5):
        groups = rng.integers(0, 80, 200)
        groups[::17] = -1
        train, checks, withheld = split_groups(groups, seed)
        assert not set(groups[train]) & set(groups[withheld]) and not set(groups[checks]) & set(groups[withheld])
        assert not set(groups[train]) & set(groups[checks]) and len(checks)
        assert sorted([*train, *checks, *withheld]) == np.flatnonzero(groups >= 0).tolist()
        assert len(withheld) >= 0.1 * len(np.unique(groups))
        again = split_groups(groups, seed)
        assert (again[2] == withheld).all() and (again[1] == checks).all()
    assert (split_groups(np.arange(200), 0)[2] != split_groups(np.arange(200), 1)[2]).any()


def test_too_few_different_pictures_are_refused_however_many_copies():
    with pytest.raises(UsageError, match="49 different pictures"):
        split_groups(np.repeat(np.arange(49), 10), 0)
    assert [len(part) for part in split_groups(np.arange(50), 0)] == [35, 5, 10]


def test_copies_are_found_by_their_content_and_unreadable_files_named(colours, tmp_path):
    original = colours / "00.png"
    same, smaller, damaged = tmp_path / "same.png", tmp_path / "smaller.jpg", tmp_path / "damaged.png"
    same.write_bytes(original.read_bytes())
    Image.open(original).resize((56, 42)).save(smaller, quality=90)
    damaged.write_bytes(original.read_bytes()[:60])
    paths = [original, colours / "01.png", same, smaller, damaged]
    found = find_groups(paths, tmp_path / "run", Silence())
    groups = found.groups()
    assert groups[0] == groups[2] == groups[3] != groups[1] and groups[4] == -1
    assert list(found.reasons) == [4] and found.reasons[4]
    assert found.leaks(np.array([0, 1]), np.array([2, 3])) == 2
    assert found.leaks(np.array([0, 2, 3]), np.array([1])) == 0
    assert find_groups(paths, tmp_path / "run", Silence()).images.tolist() == found.images.tolist()


def pictures(captions: list[tuple[str, ...]], groups: list[int]) -> Pictures:
    return Pictures(np.zeros((len(captions), 2, 2, 3), np.uint8), captions, np.array(groups))


def test_caption_is_true_of_copies_and_of_pictures_with_the_same_words():
    truth = Truth(pictures([("A dog!",), ("a dog", "beach"), ("cat",), ("sun",)], [0, 1, 2, 2]))
    matrix = truth.matrix(["A dog!", "beach", "cat"], [0, 1, 2], [0, 1, 2, 3])
    assert matrix.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 1]]
    assert truth.holds("beach", 1, 1) and not truth.holds("beach", 1, 0)


def test_every_picture_comes_once_an_epoch_and_the_order_depends_on_seed_and_step_alone():
    source = TuningPairs(
        pictures([(f"own {n}",) if n < 20 else (f"old {n}",) for n in range(40)], list(range(40))),
        np.arange(20),
        np.arange(20, 40),
        0.5,
        seed=3,
    )
    batches = [source.sample(random.Random(step), 10, step) for step in range(8)]
    seen = [row for batch in batches for row in batch.rows if row < 20]
    assert sorted(seen[:20]) == sorted(seen[20:]) == list(range(20)) and seen[:20] != seen[20:]
    assert all((batch.rows >= 20).sum() == 5 and batch.truth.sum() == 10 for batch in batches)
    assert (source.sample(random.Random(5), 10, 5).rows == batches[5].rows).all()


def test_groups_do_not_depend_on_the_order_of_decoding():
    from imgsearch.tuning.pictures.copies import PictureGroups

    first, second = np.array([5, 2, -1, 9, 7]), np.array([1, 8, -1, 3, 4])
    assert [PictureGroups(ids, (), {}).groups().tolist() for ids in (first, second)] == [[0, 1, -1, 2, 3]] * 2
