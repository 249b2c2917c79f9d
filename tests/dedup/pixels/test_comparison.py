"""Two pictures compared: altered copies are copies, and what differs in one place is none."""

from __future__ import annotations

import io
import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgsearch.dedup.pixels.comparison import compare_signatures
from imgsearch.dedup.pixels.inspection.judge import inspect_images
from imgsearch.dedup.pixels.photometric_residual import compare_lightness
from imgsearch.media.decode import open_upright
from imgsearch.media.orientation import orient_image
from imgsearch.media.signature import INVERSE_ORIENTATION, image_signature
from imgsearch.scenes.alterations import alterations
from imgsearch.scenes.copies import altered_bytes
from imgsearch.scenes.draw import draw_scene
from imgsearch.scenes.graph import Domain, sample_scene
from imgsearch.scenes.look_alikes import FAMILIES


@pytest.fixture(scope="module")
def scene():
    return draw_scene(sample_scene(random.Random(4), Domain()), 400)[0]


@pytest.fixture(scope="module")
def other():
    return draw_scene(sample_scene(random.Random(8), Domain()), 256)[0]


def signed(picture):
    return np.frombuffer(image_signature(picture), np.uint8)[None]


def signatures_agree(first, second, orientation=1):
    return compare_signatures(signed(first), signed(second), np.array([orientation], np.uint8))


def looked_at(first, second, orientation):
    return inspect_images(first, orient_image(second, orientation)).same


def opened(data):
    with Image.open(io.BytesIO(data)) as picture:
        return picture.convert("RGB")


KEPT = ("resize", "jpeg", "webp", "stretch", "brightness", "contrast", "gamma", "saturation", "blur", "noise")


@pytest.mark.parametrize(
    "way", [way for way in alterations() if way.tier == "perceptual" and way.family in KEPT], ids=lambda way: way.name
)
def test_altered_copy_is_a_copy(scene, way):
    copy = opened(altered_bytes(scene, way, random.Random(1)))
    assert signatures_agree(scene, copy).is_copy[0]
    assert way.family not in ("resize", "stretch") or looked_at(scene, copy, 1)


@pytest.mark.parametrize(
    "way",
    [way for way in alterations() if way.family in ("overlay", "border", "crop") or way.name == "recolour-invert"],
    ids=lambda way: way.name,
)
def test_cropped_or_covered_picture_is_no_copy(scene, way):
    changed = opened(altered_bytes(scene, way, random.Random(1)))
    assert not looked_at(scene, changed, 1)


def test_grey_copy_of_a_coloured_picture_is_no_copy(scene):
    assert not looked_at(scene, scene.convert("L").convert("RGB"), 1)
    assert not signatures_agree(scene, scene.convert("L").convert("RGB")).is_copy[0]


@pytest.mark.parametrize("family", ["belt", "moved", "exchanged", "pages", "twins", "repainted"])
def test_look_alikes_are_no_copies(family):
    for seed in range(6):
        pictures = list(FAMILIES[family](random.Random(seed)))
        for first, second in itertools.pairwise(pictures):
            alike = signatures_agree(first, second)
            assert not (alike.is_copy[0] and looked_at(first, second, 1))


def test_frame_of_a_belt_is_a_copy_of_itself_compressed():
    frame = next(FAMILIES["belt"](random.Random(1)))
    stream = io.BytesIO()
    frame.save(stream, "JPEG", quality=85)
    assert looked_at(frame, opened(stream.getvalue()), 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_copy_is_a_copy_at_its_turn_only(scene, orientation):
    turned = orient_image(scene, INVERSE_ORIENTATION[orientation])
    assert signatures_agree(scene, turned, orientation).is_copy[0]
    assert looked_at(scene, turned, orientation)
    wrong = orientation % 8 + 1
    assert not signatures_agree(scene, turned, wrong).is_copy[0]


def test_turns_are_those_of_the_decoder(scene, tmp_path):
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        scene.save(tmp_path / "x.png", exif=exif)
        shown = np.asarray(open_upright(tmp_path / "x.png", 400))
        assert np.array_equal(np.asarray(orient_image(scene, orientation)), shown)


def test_pairs_are_compared_each_by_itself(scene, other):
    """A block gives what the pairs give one by one."""
    pictures = [scene, other, scene.resize((90, 90)), orient_image(other, 6), scene.rotate(3)]
    signatures = np.concatenate([signed(picture) for picture in pictures])
    first, second = np.divmod(np.arange(25), 5)
    orientations = (np.arange(25) % 8 + 1).astype(np.uint8)
    whole = compare_signatures(signatures[first], signatures[second], orientations)
    for at in range(25):
        one = compare_signatures(
            signatures[first[at : at + 1]], signatures[second[at : at + 1]], orientations[at : at + 1]
        )
        assert one.is_copy[0] == whole.is_copy[at]
        assert one.difference[0] == pytest.approx(whole.difference[at], abs=0.01)


def test_nothing_compared_is_nothing():
    none = np.empty((0, 1536), np.uint8)
    assert len(compare_signatures(none, none, np.empty(0, np.uint8)).score) == 0


def test_shapes_that_disagree_are_refused():
    with pytest.raises(ValueError, match="expected two"):
        compare_signatures(np.zeros((2, 1536), np.uint8), np.zeros((1, 1536), np.uint8), np.ones(2, np.uint8))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 255), st.integers(1, 8))
def test_score_is_over_a_half_exactly_for_a_copy_whatever_the_bytes(seed, shade, orientation):
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 256, (4, 1536), dtype=np.uint8)
    second = first.copy()
    second[1] = rng.integers(0, 256, 1536)
    second[2] = shade
    second[3, 100:110] = shade
    found = compare_signatures(first, second, np.array([1, orientation, 1, orientation], np.uint8))
    assert found.is_copy[0] and found.score[0] > 0.99
    assert ((found.score > 0.5) == found.is_copy).all()
    assert ((found.score >= 0) & (found.score <= 1) & (found.difference >= 0) & np.isfinite(found.difference)).all()


def test_rest_is_where_something_was_put_and_nowhere_else(scene):
    plane = np.asarray(scene.convert("L").resize((64, 64)), np.float32)[None]
    changed = plane * 0.8 + 20
    assert compare_lightness(plane, changed).largest[0] < 1  # a change of light
    changed[0, 20:24, 30:34] += 60
    assert compare_lightness(plane, changed).largest[0] > 30
