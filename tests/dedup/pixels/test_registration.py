"""Small pictures laid over each other: maps against those they were made by, and whose the things are that differ."""

from __future__ import annotations

import random

import numpy as np
import pytest
from busy_images import busy
from PIL import Image, ImageDraw

from imgsearch.dedup.pixels.photometric_residual import smooth
from imgsearch.dedup.pixels.registration.affine import IDENTITY, inverse, overlaps, refine, warp
from imgsearch.dedup.pixels.registration.planes import PLANE_BYTES, SIDE, colour_of, halved, lightness_of, small_planes
from imgsearch.dedup.pixels.registration.register import equally_sharp
from imgsearch.dedup.pixels.registration.sheets import Sheets, read_planes, read_signatures
from imgsearch.dedup.pixels.registration.starts import find_starts
from imgsearch.dedup.pixels.template_matching import align
from imgsearch.media.orientation import orient_image
from imgsearch.media.signature import INVERSE_ORIENTATION, ORIENTATIONS, image_signature
from imgsearch.records import SIGNATURE_BYTES
from imgsearch.scenes.look_alikes import FAMILIES
from imgsearch.scenes.overlays import with_bar, with_logo, with_sticker


def plane(image, side=64):
    return smooth(np.asarray(image.convert("L").resize((side, side), Image.Resampling.BOX), np.float32))[None]


def signature(image):
    return np.frombuffer(image_signature(image), np.uint8)[None]


@pytest.fixture(scope="module")
def picture():
    return busy(1).resize((256, 192))


@pytest.mark.parametrize("wanted", [[[0.9, 0, 0.1], [0, 0.9, -0.1]], [[1.05, 0.05, 0], [-0.05, 1.0, 0.04]]])
def test_map_that_a_plane_was_seen_through_is_found_again(picture, wanted):
    """The first is the second as Pillow draws it through the map, not as ``warp`` does."""
    (a, b, c), (d, e, f) = wanted
    second = picture.convert("L").resize((256, 256))
    pixels = (a, b, 128 * (c + 1 - a - b), d, e, 128 * (f + 1 - d - e))
    first = second.transform((256, 256), Image.Transform.AFFINE, pixels, Image.Resampling.BICUBIC)
    found = refine(plane(first), plane(second)[:, None], IDENTITY[None, None], 8)
    assert found.maps[0, 0] == pytest.approx(np.array(wanted), abs=0.02)
    assert found.correlation[0, 0] > 0.97


def test_negative_stays_where_it_is(picture):
    first = plane(picture)
    found = refine(first, (255 - first)[:, None], IDENTITY[None, None], 5)
    assert found.maps[0, 0] == pytest.approx(IDENTITY, abs=1e-3)
    assert found.correlation[0, 0] == pytest.approx(-1, abs=1e-3)


def test_map_after_its_inverse_is_nothing():
    maps = np.array([[[0.8, 0.1, 0.2], [-0.05, 1.2, -0.3]], [[0, 0, 0], [0, 0, 0]]], np.float32)
    back = inverse(maps)
    point = np.array([0.3, -0.7])
    there = maps[0, :, :2] @ point + maps[0, :, 2]
    assert back[0, :, :2] @ there + back[0, :, 2] == pytest.approx(point, abs=1e-5)
    assert np.array_equal(back[1], maps[1])


def test_cover_is_the_area_that_both_show():
    half = np.array([[[1, 0, 1], [0, 1, 0]], [[2, 0, 0], [0, 2, 0]]], np.float32)  # half beside; a part in the middle
    _, mask = warp(np.ones((2, 64, 64), np.float32), half)
    first, second = overlaps(half, mask)
    assert first == pytest.approx([0.5, 0.25], abs=0.02) and second == pytest.approx([0.5, 1], abs=0.04)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("swapped", [False, True])
def test_start_is_at_the_place_and_turn_of_a_crop(picture, orientation, swapped):
    whole = picture.resize((320, 320))
    crop = whole.crop((80, 0, 320, 240))
    first, second = (crop, whole) if swapped else (whole, crop)
    found = find_starts(signature(first), signature(orient_image(second, INVERSE_ORIENTATION[orientation])))
    assert found.orientations[0, 0] == orientation and found.correlation[0, 0] > 0.97
    wanted = np.array([[0.75, 0, 0.25], [0, 0.75, -0.25]]) if swapped else None
    wanted = np.array([[4 / 3, 0, -1 / 3], [0, 4 / 3, 1 / 3]]) if wanted is None else wanted
    assert found.maps[0, 0] == pytest.approx(wanted, abs=0.05)


def test_planes_are_lightness_and_colour_of_the_picture():
    planes = small_planes(Image.new("RGB", (30, 90), (200, 40, 90)))[None]
    y, cb, cr = Image.new("RGB", (1, 1), (200, 40, 90)).convert("YCbCr").getpixel((0, 0))
    assert planes.shape == (1, PLANE_BYTES)
    assert lightness_of(planes) == pytest.approx(np.full((1, SIDE, SIDE), y), abs=1)
    assert colour_of(planes)[0].mean(axis=(1, 2)) == pytest.approx([cb, cr], abs=1)
    assert halved(np.arange(16, dtype=np.float32).reshape(4, 4)).tolist() == [[2.5, 4.5], [10.5, 12.5]]


def test_sheets_give_back_what_was_kept_and_leave_nothing(tmp_path):
    path = tmp_path / "new" / "looks.tmp"
    with Sheets(path) as sheets:
        for row in range(3):
            sheets.put_signature(row, bytes([row]) * SIGNATURE_BYTES)
        sheets.put_planes(1, b"\x07" * PLANE_BYTES)
        assert read_signatures(str(path), [2, 0])[:, 5].tolist() == [2, 0]
        assert (read_planes(str(path), [1]) == 7).all()
    assert not path.exists()


def test_sharper_picture_is_smoothed_to_the_other_and_equals_are_left(picture):
    sharp = plane(picture, 128)[0]
    dull = smooth(smooth(smooth(sharp)))
    inside = np.ones(sharp.shape, np.bool_)
    for pair in ((sharp, dull), (dull, sharp)):
        made = equally_sharp(*pair, inside)
        assert np.abs(made[0] - made[1]).mean() < 0.3 * np.abs(sharp - dull).mean()
    assert equally_sharp(sharp, sharp + 9, inside)[0] is sharp


@pytest.mark.parametrize("family", ["moved", "repainted", "belt"])
def test_things_moved_or_repainted_before_one_ground_are_not_near(family):
    pictures = list(FAMILIES[family](random.Random(11)))[1:5]
    kinds = [align(pictures[0], other).kind for other in pictures[1:]]
    assert "near" not in kinds, kinds


@pytest.mark.parametrize("change", [with_sticker, with_logo, with_bar])
def test_things_put_over_a_plain_picture_are_near(change):
    ground = Image.new("RGB", (320, 240), (150, 190, 230))
    pen = ImageDraw.Draw(ground)
    for x in range(0, 320, 64):
        pen.rectangle((x + 8, 20 + x // 4, x + 40, 60 + x // 3), fill=(200, 60 + x // 4, 40))
    assert align(ground, change(ground, random.Random(4))).kind == "near"


def test_night_skies_are_not_near_each_other_or_a_form():
    pictures = []
    for seed in range(3):
        rng = random.Random(seed)
        sky = Image.new("RGB", (320, 240), (8, 9, 18))
        for _ in range(200):
            x, y = rng.uniform(0, 320), rng.uniform(0, 240)
            ImageDraw.Draw(sky).ellipse((x - 1, y - 1, x + 1, y + 1), fill=(rng.randint(90, 255),) * 3)
        pictures.append(sky)
    form = Image.new("RGB", (320, 240), (250, 250, 250))
    for y in range(20, 230, 12):
        ImageDraw.Draw(form).line((20, y, 300, y), fill=(60, 60, 60))
    pictures.append(form)
    pairs = [(a, b) for number, a in enumerate(pictures) for b in pictures[:number]]
    assert [align(*pair).kind for pair in pairs] == ["other"] * len(pairs)
