"""What signatures say of levels that moved holds for the images themselves."""

from __future__ import annotations

import hashlib
import io
import random
from pathlib import Path

import numpy as np
import pytest
from pictured_library import picture
from PIL import Image, ImageEnhance

from imgsearch.dedup.pixels.inspection.judge import OTHER_DRAWING, inspect_images
from imgsearch.dedup.pixels.inspection.picture import InspectedImage
from imgsearch.dedup.pixels.inspection.task import inspect
from imgsearch.dedup.tiers.moved_levels import MOVED, levels_move
from imgsearch.media.limits import LIMITS
from imgsearch.media.orientation import orient_image
from imgsearch.media.signature import INVERSE_ORIENTATION, image_signature
from imgsearch.scenes.draw import draw_scene
from imgsearch.scenes.graph import Domain, sample_scene


def moves(first: Image.Image, second: Image.Image, orientation: int = 1) -> bool:
    one, other = (np.frombuffer(image_signature(image), np.uint8)[None] for image in (first, second))
    return bool(levels_move(one, other, [orientation])[0])


def scene(seed: int, side: int = 160) -> Image.Image:
    return draw_scene(sample_scene(random.Random(seed), Domain()), side)[0].convert("RGB")


def saved(image: Image.Image, quality: int) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data).convert("RGB")


def hatched(side: int, *, linear: bool) -> Image.Image:
    """Lines of two pixels, black and white, made smaller from 256 pixels as ``linear`` light or as the numbers are."""
    plane = np.full((256, 256), 255.0)
    plane[64:192, 40:220] = np.where(np.arange(180) // 2 % 2, 255.0, 0.0)
    by = 256 // side
    means = (plane**2.2 if linear else plane).reshape(side, by, side, by).mean(axis=(1, 3))
    return Image.fromarray((means ** (1 / 2.2) if linear else means).astype(np.uint8)).convert("RGB")


def test_copies_of_drawings_and_photographs_have_no_moved_level() -> None:
    for seed in range(6):
        for image in (scene(seed), picture(seed, (160, 120))):
            smaller = image.resize((image.width // 4, image.height // 3), Image.Resampling.BICUBIC)
            for copy in (saved(image, 10), saved(smaller, 40), image.quantize(32).convert("RGB")):
                assert not moves(image, copy)


def test_drawing_whose_levels_move_is_rejected_by_a_look_as_well() -> None:
    told = 0
    for seed in range(8):
        image = scene(seed)
        for other in (
            ImageEnhance.Brightness(image).enhance(0.9),
            ImageEnhance.Contrast(image).enhance(1.2),
            saved(scene(seed + 1), 60),
            Image.merge("RGB", [image.getchannel(band) for band in "BGR"]),
        ):
            if moves(image, other) and InspectedImage(image).has_areas:
                told += 1
                assert not inspect_images(image, other).same
    assert told > 10


@pytest.mark.parametrize("linear", [False, True])
def test_hatching_that_was_averaged_otherwise_is_judged_as_by_a_look(linear: bool) -> None:
    large, small = hatched(256, linear=False), hatched(64, linear=linear)
    assert moves(large, small) == linear
    assert inspect_images(large, small).same != linear


def test_a_smaller_move_and_a_smaller_area_are_left_to_the_look() -> None:
    plain = Image.new("RGB", (96, 96), (200, 200, 200))
    plain.paste((40, 40, 40), (0, 0, 48, 96))
    assert moves(plain, plain.point(lambda value: value - MOVED))
    assert not moves(plain, plain.point(lambda value: value - MOVED + 1))
    spot = plain.copy()
    spot.paste((0, 0, 0), (60, 60, 72, 72))
    assert not moves(plain, spot)


def test_drawing_in_noise_is_left_to_the_look() -> None:
    plain = Image.new("RGB", (128, 128), (200, 200, 200))
    plain.paste((40, 40, 40), (0, 0, 64, 128))
    noise = np.random.default_rng(0).integers(-30, 31, (128, 128, 1))
    noisy = Image.fromarray((np.asarray(plain) + noise).clip(0, 255).astype(np.uint8))
    assert InspectedImage(plain).has_areas and not InspectedImage(noisy).has_areas


@pytest.mark.parametrize("orientation", range(1, 9))
def test_levels_are_compared_as_the_second_image_lies(orientation: int) -> None:
    image = Image.new("RGB", (96, 96), (200, 200, 200))
    image.paste((40, 40, 40), (0, 0, 48, 30))
    turned = orient_image(image, INVERSE_ORIENTATION[orientation])
    darker = turned.point(lambda value: value - 20 if value > 100 else value)
    assert not moves(image, turned, orientation)
    assert moves(image, darker, orientation)


def test_task_opens_one_drawing_where_levels_move_and_both_of_other_images(tmp_path: Path) -> None:
    sides = []
    for name, image in {"drawn": scene(0), "photo": picture(1, (160, 120))}.items():
        image.save(tmp_path / f"{name}.png")
        data = (tmp_path / f"{name}.png").read_bytes()
        sides.append([str(tmp_path / f"{name}.png"), hashlib.sha256(data).hexdigest(), len(data), False])
    drawn, photo = sides
    gone = [str(tmp_path / "gone.png"), "0" * 64, 1, False]
    rejected, unread = inspect([[drawn, gone, 1, True], [photo, gone, 1, True]], {}, LIMITS)[0]["heads"]
    assert (rejected["same"], rejected["why"]) == (False, OTHER_DRAWING)
    assert unread["failed"].startswith(gone[0])
    held = [[photo, drawn, 1, False], [gone, drawn, 1, True]]
    assert inspect(held, {}, LIMITS)[0]["heads"][1]["why"] == OTHER_DRAWING
