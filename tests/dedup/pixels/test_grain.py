"""Two shots differ in their grain alone: neither moves for the other, nor a copy of one for the other."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from imgsearch.dedup.evidence.records import Evidence, Group, Member, Pair
from imgsearch.dedup.groups import rivals
from imgsearch.dedup.groups.rivals import contests
from imgsearch.dedup.pixels.inspection.cells import (
    COPY_OF_EITHER,
    NEARER_TO_ANOTHER,
    belongs_to,
    cell_means,
    cells_for,
)
from imgsearch.dedup.pixels.inspection.grain import ANOTHER_GRAIN, PERHAPS_ANOTHER_SHOT, is_another_grain
from imgsearch.dedup.pixels.inspection.planes import planes_of
from imgsearch.dedup.pixels.inspection.saved_again import MOST_UNEXPLAINED, share_unexplained
from imgsearch.storage.evidence.rows import Judged

SIZE = (320, 240)
LANCZOS = Image.Resampling.LANCZOS


def scene(seed: int, noise: float) -> Image.Image:
    """The same scene each time, with another noise for each seed."""
    fixed = np.random.default_rng(1)
    coarse = Image.fromarray(fixed.integers(40, 210, (9, 12, 3), dtype=np.uint8)).resize(SIZE, Image.Resampling.BICUBIC)
    grain = np.random.default_rng(seed).normal(0, noise, (SIZE[1], SIZE[0], 3))
    return Image.fromarray(np.clip(np.asarray(coarse) + grain, 0, 255).round().astype(np.uint8))


def saved(image: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue()))


@pytest.fixture(scope="module")
def shots() -> tuple[Image.Image, Image.Image]:
    return saved(scene(2, 3.0), 95), saved(scene(3, 3.0), 95)


def grain_differs(one: Image.Image, other: Image.Image) -> bool:
    return is_another_grain(*(planes_of(each.convert("RGB"), SIZE) for each in (one, other)))


def test_grain_of_another_shot_is_another(shots) -> None:
    assert grain_differs(*shots)
    assert not grain_differs(shots[0], shots[0])


@pytest.mark.parametrize("quality", [30, 60, 80, 92])
def test_grain_of_a_copy_is_the_same_or_gone(shots, quality) -> None:
    assert not grain_differs(shots[0], saved(shots[0], quality))


def luma(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB").convert("YCbCr").getchannel(0))


def test_grain_is_not_asked_of_a_gentle_jpeg(shots) -> None:
    """Its steps put other detail in place of fine detail, as much as there was; they tell more themselves."""
    planes = [planes_of(each.convert("RGB"), SIZE) for each in shots]
    assert is_another_grain(*planes, steps=600) and not is_another_grain(*planes, steps=369)


@pytest.mark.parametrize("quality", [75, 85, 92])
def test_steps_explain_a_copy_and_no_other_shot(shots, quality) -> None:
    for source, is_copy in zip(shots, (True, False), strict=True):
        copy = saved(shots[0], quality)
        found = share_unexplained(luma(source), luma(copy), copy.quantization[0])
        assert (found < MOST_UNEXPLAINED / 2) if is_copy else (found > MOST_UNEXPLAINED)


def test_steps_tell_nothing_of_clipped_or_tiny_images() -> None:
    white = np.full((240, 320), 255, np.uint8)
    assert share_unexplained(white, white, [2] * 64) == 0
    assert share_unexplained(white[:8, :8], white[:8, :8], [2] * 64) == 0


@pytest.mark.parametrize(
    "made",
    [
        lambda image: saved(image, 60),
        lambda image: saved(image.resize((160, 120), LANCZOS), 88),
        lambda image: saved(image.point(lambda level: level * 0.95 + 5), 70),
    ],
)
def test_copy_belongs_to_its_own_shot(shots, made) -> None:
    for place, source in enumerate(shots, 1):
        copy = made(source.convert("RGB"))
        cells = cells_for(copy.size)
        three = [cell_means(each.convert("RGB"), cells) for each in (copy, *shots)]
        assert belongs_to(*three) == place
        assert belongs_to(three[0], three[2], three[1]) == 3 - place


def test_copy_belongs_to_its_own_of_two_that_differ_in_brightness(shots) -> None:
    one = shots[0].convert("RGB")
    brighter = saved(one.point(lambda level: level * 1.15), 95)
    for place, source in enumerate((one, brighter), 1):
        copy = saved(source.convert("RGB"), 20)
        means = [cell_means(each.convert("RGB"), cells_for(SIZE)) for each in (copy, one, brighter)]
        assert belongs_to(*means) == place


def test_copy_that_lost_what_tells_two_shots_apart_belongs_to_neither(shots) -> None:
    copy = saved(scene(9, 0.0), 60)
    means = [cell_means(each.convert("RGB"), cells_for(SIZE)) for each in (copy, *shots)]
    assert belongs_to(*means) == 0
    assert belongs_to(means[0], means[1], means[1]) == 0


def contest_of(copy, judged: dict, rival_bytes: int = 1000) -> list:
    """One copy (3) of two shots (1, 2), the first of which is kept."""
    one, other = copy("/p/1", 1, width=100, size_bytes=1000), copy("/p/2", 2, width=100, size_bytes=rival_bytes)
    small = copy("/p/3", 3, width=50, size_bytes=100)
    alike = Evidence("perceptual", 0.97)
    group = Group(one, "", (Member(small, alike),), picture=1)
    left = Group(other, "", (), picture=1)
    pairs = [Pair(1, 3, alike), Pair(2, 3, alike), *([] if (1, 2) in judged else [Pair(1, 2, alike)])]
    return contests([group, left], lambda: pairs, judged)


def test_copy_of_either_of_two_shots_is_contested(copy) -> None:
    for why in (ANOTHER_GRAIN, "something differs at one place"):
        judged = {(1, 2): Judged(False, why)}
        (contest,) = contest_of(copy, judged)
        assert (contest.copy.image_id, contest.keeper.image_id, contest.rival.image_id) == (3, 1, 2)
        assert [look.key for look in contest.looks] == [(2, 3)]
        assert contest.standing(judged | {(2, 3): Judged(True)})
        assert not contest.standing(judged | {(2, 3): Judged(False)})


def test_copies_of_one_picture_are_no_rivals(copy) -> None:
    (contest,) = contest_of(copy, {})
    assert not contest.standing({(1, 2): Judged(True), (2, 3): Judged(True)})
    assert contest.standing({(1, 2): Judged(True, PERHAPS_ANOTHER_SHOT, True), (2, 3): Judged(True)})
    assert contest_of(copy, {(1, 2): Judged(False)}, rival_bytes=300) == []


def test_a_copy_stays_where_nothing_tells_and_is_lost_to_no_rival(copy, monkeypatch) -> None:
    (contest,) = contest_of(copy, {(1, 2): Judged(False, ANOTHER_GRAIN)})
    read = {key: np.zeros((8, 8), np.float32) for key in rivals._wanted(contest)}
    monkeypatch.setattr(rivals, "_means", lambda found, pool: read)
    told = {}
    for owner in (0, 1, 2):
        monkeypatch.setattr(rivals, "belongs_to", lambda *three, owner=owner: owner)
        told[owner] = dict(rivals.settled([contest], object()))
    assert told[1] == {}
    assert told[2] == {(1, 3): Judged(False, NEARER_TO_ANOTHER)}
    assert told[0] == {(1, 3): Judged(True, COPY_OF_EITHER, True)}
