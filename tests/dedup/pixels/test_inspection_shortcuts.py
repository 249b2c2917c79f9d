"""What a look does quickly gives what the long way gives."""

from __future__ import annotations

import io
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance

from imgsearch.dedup.pixels.inspection import colour, filters, judge, residual, saved_again
from imgsearch.dedup.pixels.inspection.judge import inspect_images
from imgsearch.dedup.pixels.inspection.picture import InspectedImage
from imgsearch.dedup.pixels.inspection.planes import joint_counts, planes_of
from imgsearch.scenes.draw import draw_scene
from imgsearch.scenes.graph import Domain, sample_scene


def saved(image: Image.Image, quality: int) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data).convert("RGB")


def marked(image: Image.Image, side: int, step: int) -> Image.Image:
    """With a disc that is a little lighter."""
    mask = Image.new("L", image.size)
    ImageDraw.Draw(mask).ellipse((20, 30, 20 + side, 30 + side), fill=255)
    lighter = image.point(lambda value: min(255, value + step))
    return Image.composite(lighter, image, mask)


@given(
    seed=st.integers(0, 50),
    quality=st.integers(10, 97),
    side=st.integers(0, 60),
    step=st.integers(1, 40),
    brightness=st.sampled_from([1.0, 0.9, 1.2]),
    scale=st.sampled_from([1.0, 0.6]),
)
@settings(max_examples=30, deadline=None)
def test_verdict_is_the_same_when_every_scale_is_divided_by_its_edges(
    seed: int, quality: int, side: int, step: int, brightness: float, scale: float
) -> None:
    first = draw_scene(sample_scene(random.Random(seed), Domain()), 160)[0].convert("RGB")
    changed = ImageEnhance.Brightness(marked(first, side, step) if side else first).enhance(brightness)
    second = saved(changed.resize((round(160 * scale), round(160 * scale)), Image.Resampling.LANCZOS), quality)
    quick = inspect_images(first, second)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(residual, "FAINTEST", -1.0)
        long = inspect_images(first, second)
    assert (quick.same, quick.why, quick.altered) == (long.same, long.why, long.altered)


def test_peak_without_edges_is_a_bound_of_the_peak() -> None:
    rng = np.random.default_rng(4)
    rest, edges = (36 * np.stack([rng.normal(0, 0.3, (64, 80)), rng.random((64, 80)) * 20])).astype(np.float32)
    bounds = list(residual._broader_peaks(rest, edges))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(residual, "FAINTEST", -1.0)
        peaks = list(residual._broader_peaks(rest, edges))
    assert len(bounds) == len(peaks) > 2
    assert all(
        peak.largest <= bound.largest < residual.FAINTEST for peak, bound in zip(peaks[1:], bounds[1:], strict=True)
    )


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (2, 1), (2, 2), (7, 9), (2, 5, 8)])
def test_filters_weigh_the_pixels_around_each(shape: tuple[int, ...]) -> None:
    plane = np.random.default_rng(7).integers(0, 256, shape).astype(np.uint8)
    padded = np.pad(plane.astype(np.int64), [(0, 0)] * (plane.ndim - 2) + [(1, 1)] * 2, mode="edge")
    height, width = shape[-2:]
    around = {(i, j): padded[..., i : i + height, j : j + width] for i in range(3) for j in range(3)}
    binomial = sum(around[i, j] * (1 + (i == 1)) * (1 + (j == 1)) for i, j in around)
    assert np.array_equal(filters.smooth_whole(plane), binomial)
    assert np.array_equal(filters.smooth_steps(-plane.astype(np.int16)), -binomial)
    assert np.array_equal(filters.smooth(plane.astype(np.float32)) * 16, binomial)
    assert np.array_equal(filters.box_sums(plane.astype(np.float32)), sum(around.values()))


@pytest.mark.parametrize("step", [2, 30, 255])
def test_largest_step_of_colour_is_exact_where_it_is_more_than_the_floor(step: int) -> None:
    rng = np.random.default_rng(8)
    source = rng.integers(0, 256, (2, 20, 30)).astype(np.uint8)
    target = np.clip(source.astype(np.int16) + rng.integers(-step, step + 1, source.shape), 0, 255).astype(np.uint8)
    target[:, 3:9, 4:12] = np.clip(source[:, 3:9, 4:12].astype(np.int16) + step, 0, 255)
    apart = filters.smooth(filters.smooth(target.astype(np.float32)) - filters.smooth(source.astype(np.float32)))
    exact = float(np.hypot(*apart).max())
    found = colour._largest_step(source, target)
    assert found == pytest.approx(exact, rel=1e-5) if exact > colour._FLOOR else exact - 1e-5 <= found <= colour._FLOOR


@pytest.mark.parametrize("size", [(64, 48), (400, 700), (31, 9)])
def test_steepest_tenth_is_that_of_the_whole_plane(size: tuple[int, int]) -> None:
    plane = np.random.default_rng(3).integers(0, 256, size[::-1], dtype=np.uint8)
    steep = filters.steepness(filters.smooth(plane.astype(np.float32))).ravel()
    sampled = np.sort(steep[:: max(1, steep.size // 4096)])
    least = sampled[int(0.9 * len(sampled))]
    found = judge._strong_edges(filters.smooth_whole(plane))
    assert np.array_equal(found, np.flatnonzero(steep >= least))


@pytest.mark.parametrize("size", [(160, 120), (61, 35), (330, 280)])
def test_coefficients_are_cosines_in_steps_of_the_table(size: tuple[int, int]) -> None:
    luma = np.random.default_rng(5).integers(0, 256, size[::-1], dtype=np.uint8)
    steps = [2 + place % 9 for place in range(64)]
    found = saved_again._blocks(luma) @ saved_again._basis(tuple(steps))
    block = luma[:8, :8].astype(float) - 128
    wanted = []
    for v in range(8):
        for u in range(8):
            if (u or v) and steps[8 * v + u] >= 5:
                weight = (0.5 if v else math.sqrt(0.125)) * (0.5 if u else math.sqrt(0.125))
                total = sum(
                    block[y, x] * math.cos(math.pi * v * (2 * y + 1) / 16) * math.cos(math.pi * u * (2 * x + 1) / 16)
                    for y in range(8)
                    for x in range(8)
                )
                wanted.append(weight * total / steps[8 * v + u])
    assert found.shape == (min(1500, size[0] // 8 * (size[1] // 8)), len(wanted))
    assert found[0] == pytest.approx(wanted, abs=1e-3)


def test_levels_are_counted_and_their_medians_are_those_of_their_pixels() -> None:
    rng = np.random.default_rng(6)
    image = Image.fromarray(rng.integers(0, 6, (50, 40, 3), dtype=np.uint8))
    planes, other = planes_of(image, image.size), rng.integers(0, 256, (50, 40), dtype=np.uint8)
    assert planes.counts.tolist() == [int((planes.luma == level).sum()) for level in range(256)]
    assert planes.total == int(planes.luma.sum())
    levels = np.unique(planes.luma)
    medians = judge._medians(joint_counts(planes.luma, other)[levels])
    assert medians.tolist() == [float(np.median(other[planes.luma == level])) for level in levels.tolist()]


@given(
    values=st.lists(st.floats(0, 20, width=32), min_size=1, max_size=60),
    least=st.sampled_from([0.0, 4.0, 25.0]),
    share=st.sampled_from([0.5, 0.9, 0.93]),
)
def test_usual_ones_are_those_below_the_quantile_or_the_least(values: list[float], least: float, share: float) -> None:
    rest = np.array(values, np.float32)
    wanted = rest <= max(least, filters.quantile(rest, share))
    assert np.array_equal(filters.usual_ones(rest, least, share), wanted)


@pytest.mark.parametrize("size", [(64, 64), (70, 40), (3, 2), (300, 9)])
@pytest.mark.parametrize("count", [1, 15, 16, 17, 40, 256, 257, 3000])
def test_drawings_and_palettes_are_known_by_their_colours(count: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(count)
    palette = rng.integers(0, 256, (count, 3), dtype=np.uint8)
    common = rng.random(size) < 0.89 + 0.002 * (count % 10)  # about nine of ten pixels have few colours
    places = np.where(common, rng.integers(0, min(count, 16), size), rng.integers(0, count, size))
    shown = InspectedImage(Image.fromarray(palette[places]))
    pixels = np.asarray(shown._sampled).reshape(-1, 3)
    _, counts = np.unique((pixels.astype(int) + 8) // 16, axis=0, return_counts=True)
    assert shown.is_drawn == (np.sort(counts)[-16:].sum() >= 0.9 * len(pixels))
    assert shown.has_palette == (len(np.unique(pixels, axis=0)) <= 256)
