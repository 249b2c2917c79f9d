"""Where one picture lies in another: against the place it was cut from, and against correlation by plain loops."""

from __future__ import annotations

import random

import numpy as np
import pytest
from busy_images import busy
from PIL import Image, ImageFilter, ImageOps

from imgsearch.dedup.pixels.block_comparison import compare_blocks
from imgsearch.dedup.pixels.template_matching import align
from imgsearch.media.orientation import orient_image
from imgsearch.media.signature import INVERSE_ORIENTATION
from imgsearch.scenes.dataset import make_set
from imgsearch.scenes.draw import draw_scene
from imgsearch.scenes.look_alikes import FAMILIES
from imgsearch.scenes.overlays import bordered, with_logo, with_sticker, with_text, with_watermark


@pytest.fixture(scope="module")
def picture():
    return busy(1).resize((256, 192))


@pytest.mark.parametrize("box", [(20, 10, 230, 170), (0, 0, 190, 140), (70, 50, 256, 192), (60, 40, 236, 172)])
def test_crop_is_found_at_its_place(picture, box):
    found = align(picture, picture.crop(box).resize((300, 225)))
    assert (found.kind, found.orientation) == ("near", 1)
    wanted = [box[0] / 256, box[1] / 192, box[2] / 256, box[3] / 192]
    assert found.box == pytest.approx(wanted, abs=0.03)
    assert found.overlap == pytest.approx((wanted[2] - wanted[0]) * (wanted[3] - wanted[1]), abs=0.04)
    assert found.agreement > 0.9


def test_whole_is_found_around_its_crop(picture):
    found = align(picture.crop((20, 10, 230, 170)), picture)
    assert found.kind == "near"
    assert found.overlap > 0.95


@pytest.mark.parametrize("orientation", [2, 3, 6, 7])
def test_turned_picture_is_found_at_its_turn(picture, orientation):
    found = align(picture, orient_image(picture, INVERSE_ORIENTATION[orientation]))
    assert (found.kind, found.orientation) == ("near", orientation)


@pytest.mark.parametrize("change", [with_text, with_logo, with_sticker, lambda image, rng: ImageOps.invert(image)])
def test_covered_or_inverted_picture_is_near(picture, change):
    assert align(picture, change(picture, random.Random(2))).kind == "near"


def test_watermark_all_over_is_near_and_as_much_of_other_text_is_not():
    page = next(FAMILIES["pages"](random.Random(5)))
    marked = with_watermark(busy(11), random.Random(3))
    assert align(busy(11), marked).kind == "near"
    plane = np.full((96, 128), 120, np.float32) + 30 * np.sin(np.arange(128) / 2, dtype=np.float32)[None, :]
    lighter, either = plane.copy(), plane.copy()
    lighter[::12] += 60
    either[::24] += 60
    either[12::24] -= 60
    everywhere = np.ones(plane.shape, np.bool_)
    assert compare_blocks(plane, lighter, everywhere).sided > 500
    assert compare_blocks(plane, either, everywhere).sided < 10
    assert align(page, busy(11)).kind == "other"


def test_watermark_over_a_picture_with_little_in_it_is_near():
    """Hardly a block shows anything but letters; the little that the picture had is still there."""
    night = Image.new("RGB", (256, 256), (16, 16, 40))
    night.paste(busy(3).crop((60, 60, 150, 120)), (80, 150))
    marked = with_watermark(night, random.Random(3))
    assert align(night, marked).agreement < 0.4
    assert align(night, marked).kind == "near"
    other = Image.new("RGB", (256, 256), (16, 16, 40))
    other.paste(busy(4).crop((60, 60, 150, 120)), (80, 150))
    assert align(other, marked).kind == "other"


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0)])
def test_border_takes_nothing_from_what_it_surrounds(picture, colour):
    found = align(picture, bordered(colour, picture, random.Random(1)))
    assert found.kind == "near"
    assert found.overlap > 0.97 and found.agreement > 0.97


def test_bands_of_two_skies_that_can_be_laid_on_each_other_are_not_near():
    rows = make_set(60, 4711)
    field, sea = (draw_scene(rows[number].scene, 320)[0] for number in (2, 57))
    assert align(field.filter(ImageFilter.GaussianBlur(3)), sea).kind == "other"


def test_tilted_picture_is_near(picture):
    assert align(picture, picture.rotate(4, Image.Resampling.BICUBIC)).kind == "near"


def test_other_pictures_are_not_near(picture):
    assert [align(picture, busy(seed)).kind for seed in range(2, 8)] == ["other"] * 6


@pytest.mark.parametrize("family", ["pages", "flat", "skies"])
def test_look_alikes_of_no_shot_are_not_near(family):
    pictures = list(FAMILIES[family](random.Random(3)))
    assert align(pictures[0], pictures[1]).kind == "other"


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 2), (16, 16)])
def test_pictures_of_any_size_can_be_compared(picture, size):
    tiny = picture.resize(size)
    assert 0 <= align(picture, tiny).score <= 1
    assert 0 <= align(tiny, picture).score <= 1
    assert 0 <= align(tiny, Image.new("RGB", size)).score <= 1


def test_picture_agrees_with_itself_wholly_whatever_its_light():
    plane = np.asarray(busy(9).convert("L").resize((128, 96)), np.float32)
    everywhere = np.ones(plane.shape, np.bool_)
    for other in (plane, 255 - plane, 0.5 * plane + 60, np.minimum(plane * 1.4, 255)):
        found = compare_blocks(plane, other.astype(np.float32), everywhere)
        assert found.share > 0.97 and found.blocks > 50


def test_thing_that_moved_is_seen_on_both_sides():
    first, second = np.full((96, 128), 90, np.float32), np.full((96, 128), 90, np.float32)
    pattern = 40 * np.sin(np.arange(128) / 2)[None, :]  # a background with something to see
    first[64:] += pattern
    second[64:] += pattern
    first[8:24, 8:24] = np.random.default_rng(1).uniform(0, 255, (16, 16))
    second[8:24, 80:96] = np.random.default_rng(1).uniform(0, 255, (16, 16))
    everywhere = np.ones(first.shape, np.bool_)
    assert compare_blocks(first, second, everywhere).both_ways
    second[8:24, 80:96] = 90
    assert not compare_blocks(first, second, everywhere).both_ways
