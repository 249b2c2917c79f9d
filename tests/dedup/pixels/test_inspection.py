"""The look at full size: what is the same picture saved again, what was altered on the way, and what is another."""

from __future__ import annotations

import io
import random
import tracemalloc
from collections.abc import Callable
from functools import cache, partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from imgsearch.dedup.pixels.inspection.judge import Inspection, inspect_images
from imgsearch.scenes.draw import draw_scene
from imgsearch.scenes.graph import Domain, sample_scene

Change = Callable[[Image.Image], Image.Image]
Maker = Callable[[], Image.Image]
LANCZOS, BICUBIC, NEAREST = Image.Resampling.LANCZOS, Image.Resampling.BICUBIC, Image.Resampling.NEAREST


@cache
def photograph(seed: int, size: tuple[int, int] = (480, 360), grain: float = 4.0) -> Image.Image:
    """Clouds of 1/f, things with edges, a lens's softness and a sensor's grain."""
    rng, (width, height) = np.random.default_rng(seed), size
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1

    def cloud(slope: float) -> np.ndarray:
        plane = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(height, width))) / frequency**slope, (height, width))
        return plane / plane.std()

    light = cloud(1.1)
    levels = np.stack([light + 0.5 * cloud(1.5) for _ in range(3)], axis=-1)
    image = Image.fromarray((128 + 42 * levels).clip(0, 255).astype(np.uint8))
    draw, choice = ImageDraw.Draw(image), random.Random(seed)
    for _ in range(12):
        x, y, side = choice.randrange(width), choice.randrange(height), choice.randrange(2, max(3, width // 6))
        fill = tuple(choice.randrange(20, 236) for _ in range(3))
        draw.ellipse((x - side, y - side * 2 // 3, x + side, y + side * 2 // 3), fill=fill)
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(0.7)), np.float32)
    noise = rng.normal(0, grain, (height, width, 1)) + rng.normal(0, grain / 3, (height, width, 3))
    return Image.fromarray((soft + noise).clip(0, 255).astype(np.uint8))


def scene(seed: int, side: int = 400) -> Image.Image:
    return draw_scene(sample_scene(random.Random(seed), Domain()), side)[0].convert("RGB")


def page(number: str = "10031", word: str = "account", size: int = 15) -> Image.Image:
    """A form as a program prints it."""
    image = Image.new("RGB", (31 * size, 40 * size), "white")
    draw, words = (
        ImageDraw.Draw(image),
        f"the total amount due of this {word} is payable within thirty days net".split(),
    )
    draw.text((30, 20), f"Invoice {number}", font=ImageFont.load_default(2 * size), fill=(20, 20, 20))
    for line in range(18):
        text = " ".join(words[(line + place) % len(words)] if line else words[place] for place in range(4 + line % 5))
        draw.text((30, 60 + int(1.7 * size * line)), text, font=ImageFont.load_default(size), fill=(20, 20, 20))
    return image


def chart(ink: str = "steelblue", label: str = "Q3", filled: bool = True) -> Image.Image:
    image = Image.new("RGB", (420, 300), "white")
    draw = ImageDraw.Draw(image)
    draw.line((40, 10, 40, 270, 410, 270), fill="black", width=2)
    for place, share in enumerate((0.4, 0.8, 0.6, 0.3, 0.9)):
        box = (55 + 70 * place, 270 - round(220 * share), 100 + 70 * place, 269)
        draw.rectangle(box, fill=ink if filled else None, outline=ink, width=3)
        draw.text((65 + 70 * place, 275), label if place == 2 else f"Q{place + 1}", font=FONT, fill="black")
    return image


FONT = ImageFont.load_default(14)


def saved(kind: str, quality: int) -> Change:
    def change(image: Image.Image) -> Image.Image:
        stream = io.BytesIO()
        image.save(stream, kind, quality=quality)
        return Image.open(stream).convert("RGB")

    return change


def scaled(across: float, down: float = 0.0, how: Image.Resampling = LANCZOS) -> Change:
    return lambda image: image.resize((round(image.width * across), round(image.height * (down or across))), how)


def look(first: Image.Image, second: Image.Image) -> Inspection:
    """The verdict, which is the same in both orders."""
    found, other = inspect_images(first, second), inspect_images(second, first)
    assert (found.same, found.altered, found.why) == (other.same, other.altered, other.why)
    assert found.same == (found.score > 0.5) and bool(found.why) == (found.altered or not found.same)
    return found


SOURCES: dict[str, Maker] = {
    "photograph": lambda: photograph(1),
    "grainy": lambda: photograph(2, grain=12),
    "scene": lambda: scene(1),
    "page": page,
    "chart": chart,
    "tall": lambda: photograph(3, (180, 420)),
    "grey": lambda: photograph(4).convert("L").convert("RGB"),
    "small": lambda: photograph(5, (97, 61)),
}
COPIES: dict[str, Change] = {
    "three tenths": scaled(0.3),
    "half": scaled(0.5),
    "half by means": scaled(0.5, how=Image.Resampling.BOX),
    "71 %": scaled(0.71, how=BICUBIC),
    **{f"JPEG {quality}": saved("JPEG", quality) for quality in (30, 60, 80, 95)},
    **{f"WebP {quality}": saved("WEBP", quality) for quality in (75, 90)},
    "half, then JPEG 60": lambda image: saved("JPEG", 60)(scaled(0.5)(image)),
    "JPEG twice": lambda image: saved("JPEG", 85)(saved("JPEG", 70)(image)),
}


NOT_FOUND = {("scene", "JPEG twice"), ("page", "half by means")}


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("source", SOURCES)
def test_copy_is_the_same_picture(source, copy) -> None:
    image = SOURCES[source]()
    if (source, copy) in NOT_FOUND:
        pytest.xfail("just beyond what is allowed: it is shown and not moved")
    found = look(image, COPIES[copy](image))
    assert found.same, found.why
    # Soft pictures have as little detail as enlarged ones: nothing tells then which of two sizes was first.
    assert found.why in ("", "perhaps enlarged") or source in ("small", "page", "chart", "scene")


ALTERED: dict[str, Change] = {
    "enlarged, bicubic": scaled(1.6, how=BICUBIC),
    "enlarged, Lanczos": scaled(2.0),
    "enlarged by repeating": scaled(2.0, how=NEAREST),
    "enlarged and sharpened": lambda image: scaled(1.5)(image).filter(ImageFilter.UnsharpMask(1, 60, 0)),
    "stretched": scaled(1.0, 0.85),
    "sharpened": lambda image: image.filter(ImageFilter.UnsharpMask(1, 90, 0)),
    "softened": lambda image: image.filter(ImageFilter.GaussianBlur(1)),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.85),
    "flatter": lambda image: ImageEnhance.Contrast(image).enhance(0.8),
    "paler": lambda image: ImageEnhance.Color(image).enhance(0.75),
}


@pytest.mark.parametrize("change", ALTERED)
@pytest.mark.parametrize("seed", [1, 6])
def test_what_was_altered_is_told(seed, change) -> None:
    image = photograph(seed)
    found = look(image, ALTERED[change](image))
    assert found.altered or not found.same, "it must not pass for the same picture, saved again"


def marked(image: Image.Image, text: str, at: tuple[float, float] = (0.7, 0.9), fill: str = "white") -> Image.Image:
    image = image.copy()
    ImageDraw.Draw(image).text((image.width * at[0], image.height * at[1]), text, font=FONT, fill=fill)
    return image


def face(eyes_open: bool) -> Image.Image:
    image = photograph(7, grain=0).copy()
    draw = ImageDraw.Draw(image)
    draw.ellipse((200, 110, 290, 230), fill=(215, 170, 145))
    for x in (225, 265):
        if eyes_open:
            draw.ellipse((x - 8, 150, x + 8, 160), fill=(240, 240, 240))
            draw.ellipse((x - 4, 151, x + 4, 159), fill=(60, 40, 30))
        else:
            draw.line((x - 8, 155, x + 8, 155), fill=(150, 100, 85), width=2)
    return image.filter(ImageFilter.GaussianBlur(0.6))


def with_disc(share: float, light: float, chroma: float) -> Image.Image:
    """A disc of that share of the picture, lighter by ``light`` and of another colour by ``chroma``."""
    image = photograph(8)
    radius = (share * image.width * image.height / np.pi) ** 0.5
    mask, (x, y) = Image.new("L", image.size), (image.width / 2, image.height / 2)
    ImageDraw.Draw(mask).ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    inside = np.asarray(mask, np.float32)[..., None] / 255
    planes = np.asarray(image.convert("YCbCr"), np.float32) + inside * np.array([light, chroma, -chroma])
    return Image.fromarray(planes.clip(0, 255).astype(np.uint8), "YCbCr").convert("RGB")


def inked(image: Image.Image) -> Image.Image:
    """A grey image with a little colour, as light as what was there: a red mark, a lamp."""
    planes = np.array(image.convert("L").convert("RGB").convert("YCbCr"))
    planes[200:214, 150:166, 2] = 170
    return Image.fromarray(planes, "YCbCr").convert("RGB")


def sky(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    levels = np.full((300, 400, 3), (8, 10, 22), np.float32)
    levels[rng.integers(0, 300, 120), rng.integers(0, 400, 120)] += rng.integers(60, 240, (120, 1))
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.6))


GRADIENT = Image.linear_gradient("L").convert("RGB")
SEPIA = ((35, 20, 5), (255, 240, 205))
OTHERS: dict[str, tuple[Maker, Maker]] = {
    "a digit": (lambda: page("10031"), lambda: page("10032")),
    "a digit, small": (lambda: page("10031", size=10), lambda: page("10032", size=10)),
    "a word": (page, lambda: page(word="reminder")),
    "a clock": (lambda: marked(photograph(1), "12:04:31"), lambda: marked(photograph(1), "12:04:32")),
    "a clock on another day": (lambda: marked(photograph(2), "03.05."), lambda: marked(photograph(2), "04.05.")),
    "eyes": (lambda: face(True), lambda: face(False)),
    "a label": (chart, lambda: chart(label="Q8")),
    "an outline": (chart, lambda: chart(filled=False)),
    "the colour of a chart": (chart, lambda: chart(ink="darkorange")),
    "sepia": (lambda: chart("gray"), lambda: ImageOps.colorize(chart("gray").convert("L"), *SEPIA)),
    "sepia of a photograph": (lambda: photograph(1), lambda: ImageOps.colorize(photograph(1).convert("L"), *SEPIA)),
    "a negative": (lambda: photograph(1), lambda: ImageOps.invert(photograph(1))),
    "a sky": (lambda: sky(1), lambda: sky(2)),
    "red ink on grey": (lambda: photograph(1).convert("L").convert("RGB"), lambda: inked(photograph(1))),
    "another scene": (lambda: scene(1), lambda: scene(2)),
    "a gradient's shape": (lambda: GRADIENT.resize((256, 40)), lambda: GRADIENT),
    **{
        f"a disc of {share:.1%}, {light:+} {chroma:+}": (
            partial(photograph, 8), partial(with_disc, share, light, chroma),
        )
        for share in (0.002, 0.02, 0.1, 0.3)
        for light, chroma in ((30, 0), (15, 0), (0, 25), (0, 12))
    },
}  # fmt: skip


@pytest.mark.parametrize("after", ["as it is", "JPEG"])
@pytest.mark.parametrize("what", OTHERS)
def test_other_picture_is_not_the_same(what, after) -> None:
    first, second = (make() for make in OTHERS[what])
    found = look(first, second if after == "as it is" else saved("JPEG", 85)(second))
    assert not found.same, found


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([1, 2, 7, 8, 9, 15, 33, 64, 200]),
    st.sampled_from([1, 3, 8, 11, 40, 65, 300]),
    st.sampled_from(["noise", "flat", "black", "ramp"]),
    st.sampled_from([1.0, 0.5, 1.7]),
)
def test_any_size_and_filling_is_looked_at(width, height, filling, scale) -> None:
    levels = {
        "noise": np.random.default_rng(width * 997 + height).integers(0, 256, (height, width, 3)),
        "flat": np.full((height, width, 3), 127),
        "black": np.zeros((height, width, 3)),
        "ramp": np.linspace(0, 255, height * width * 3).reshape(height, width, 3),
    }[filling]
    image = Image.fromarray(levels.astype(np.uint8))
    assert look(image, image.copy()).same
    size = max(1, round(width * scale)), max(1, round(height * scale))
    look(image, image.resize(size, LANCZOS))


def test_large_picture_is_looked_at_in_bands() -> None:
    image = photograph(9, (1501, 1201))
    copy = saved("JPEG", 80)(scaled(0.8)(image))
    tracemalloc.start()
    try:
        assert inspect_images(image, copy).same
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40 * image.width * image.height, f"{peak / (image.width * image.height):.0f} bytes a pixel"
    wrong = marked(copy, "12:04")
    assert not inspect_images(image, wrong).same


def test_one_pixel_of_an_icon_is_a_difference() -> None:
    for side in (16, 32, 64):
        icon = Image.new("RGB", (side, side), "white")
        ImageDraw.Draw(icon).rectangle((2, 2, side // 2, side // 2), fill="navy")
        other = icon.copy()
        other.putpixel((side - 3, side - 3), (0, 0, 0))
        assert not look(icon, other).same
        assert look(icon, icon.copy()).same
