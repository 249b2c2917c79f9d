"""Alterations that images undergo as they are passed on, each by family, with its strength.

An `Alteration` turns an image into an image and says how to write it. The tier is the relation of the result to its
source: "pixels" (a person sees the very same pixels), "perceptual" (the same image, acted on) or "near" (something was
cut off, written over or filtered so that a person may want both).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from imgsearch.scenes.overlays import bordered, with_bar, with_logo, with_sticker, with_text, with_watermark

Change = Callable[[Image.Image, random.Random], Image.Image]
_T = Image.Transpose
TURNING = {
    2: _T.FLIP_LEFT_RIGHT,
    3: _T.ROTATE_180,
    4: _T.FLIP_TOP_BOTTOM,
    5: _T.TRANSPOSE,
    6: _T.ROTATE_90,
    7: _T.TRANSVERSE,
    8: _T.ROTATE_270,
}
"""EXIF orientation -> the turn of the upright image after which a reader that obeys the tag shows it upright again."""


@dataclass(frozen=True, slots=True)
class Alteration:
    """One way to alter an image. ``options`` are Pillow's for writing it."""

    family: str  # "resize", "jpeg" ...
    strength: str  # "q10", "50 %": for tables
    tier: str  # "pixels", "perceptual" or "near"
    change: Change
    suffix: str = ".jpg"
    options: dict[str, Any] = field(default_factory=lambda: {"quality": 90})

    @property
    def name(self) -> str:
        """family and strength in one word, fit for a file's name."""
        return "".join(c if c.isalnum() or c in "-.+" else "-" for c in f"{self.family}-{self.strength}")


def alterations() -> tuple[Alteration, ...]:
    """All alterations, by family; about seventy. AVIF only if Pillow can write it."""
    parts = (_sizes, _encodings, _crops, _turns, _overlays, _filters, _modes)
    return tuple(alteration for part in parts for alteration in part())


def _same(image: Image.Image, rng: random.Random) -> Image.Image:
    return image


def _sizes() -> Iterator[Alteration]:
    for factor in (2.0, 0.7, 0.5, 0.25):
        yield Alteration("resize", f"x{factor:g}", "perceptual", partial(_scaled, factor, factor))
    yield Alteration("resize", "to 128 px", "perceptual", partial(_within, 128))
    yield Alteration("resize", "to 64 px", "perceptual", partial(_within, 64))
    for across in (0.8, 1.25):
        yield Alteration("stretch", f"x{across:g}", "perceptual", partial(_scaled, across, 1.0))


def _encodings() -> Iterator[Alteration]:
    for quality in (95, 80, 60, 40, 20, 10):
        yield Alteration("jpeg", f"q{quality}", "perceptual", _same, ".jpg", {"quality": quality})
    for quality in (80, 40, 10):
        yield Alteration("webp", f"q{quality}", "perceptual", _same, ".webp", {"quality": quality})
    if ".avif" in Image.registered_extensions() and "AVIF" in Image.SAVE:
        for quality in (60, 25):
            yield Alteration("avif", f"q{quality}", "perceptual", _same, ".avif", {"quality": quality, "speed": 8})
    lossless = {".png": {}, ".bmp": {}, ".tiff": {}, ".webp": {"lossless": True}}
    for suffix, options in lossless.items():
        yield Alteration("format", suffix[1:], "pixels", _same, suffix, dict(options))
    yield Alteration("format", "gif", "perceptual", _same, ".gif", {})


def _crops() -> Iterator[Alteration]:
    for percent in (5, 10, 20, 35, 50):
        yield Alteration("crop", f"{percent} %", "near", partial(_cropped, percent / 100))
    yield Alteration("crop", "border 6 %", "near", partial(_trimmed, 0.03))


def _turns() -> Iterator[Alteration]:
    names = {3: "180", 6: "90", 8: "270"}
    for orientation, name in names.items():
        yield Alteration("turn", name, "perceptual", partial(_transposed, TURNING[orientation]))
    for orientation in (2, 4, 5, 7):
        yield Alteration("mirror", TURNING[orientation].name, "perceptual", partial(_transposed, TURNING[orientation]))
    for orientation, method in TURNING.items():
        options = {"orientation": orientation}
        yield Alteration("exif", str(orientation), "pixels", partial(_transposed, method), ".png", options)
    for degrees in (1, 3, 7):
        yield Alteration("rotate", f"{degrees} deg, corners filled", "near", partial(_rotated, degrees))
        yield Alteration("rotate", f"{degrees} deg, cut to fit", "near", partial(_rotated_inside, degrees))


def _overlays() -> Iterator[Alteration]:
    yield Alteration("overlay", "text", "near", with_text)
    yield Alteration("overlay", "caption bar", "near", with_bar)
    yield Alteration("overlay", "logo", "near", with_logo)
    yield Alteration("overlay", "sticker", "near", with_sticker)
    yield Alteration("overlay", "watermark", "near", with_watermark)
    yield Alteration("border", "black", "near", partial(bordered, (0, 0, 0)))
    yield Alteration("border", "white", "near", partial(bordered, (255, 255, 255)))


def _filters() -> Iterator[Alteration]:
    for radius, tier in ((1, "perceptual"), (3, "perceptual"), (6, "near")):
        yield Alteration("blur", f"{radius} px in 640", tier, partial(_blurred, radius))
    for percent, tier in ((100, "perceptual"), (300, "near")):
        yield Alteration("sharpen", f"{percent} %", tier, partial(_sharpened, percent))
    for sigma, tier in ((5, "perceptual"), (12, "perceptual"), (25, "near")):
        yield Alteration("noise", f"sigma {sigma}", tier, partial(_noisy, sigma))
    for name, enhance in (("brightness", ImageEnhance.Brightness), ("contrast", ImageEnhance.Contrast)):
        for factor, tier in ((0.6, "near"), (0.85, "perceptual"), (1.15, "perceptual"), (1.5, "near")):
            yield Alteration(name, f"x{factor:g}", tier, partial(_enhanced, enhance, factor))
    for factor, tier in ((0.5, "near"), (0.8, "perceptual"), (1.25, "perceptual"), (2.0, "near")):
        yield Alteration("gamma", f"{factor:g}", tier, partial(_gamma, factor))
    for factor, tier in ((0.5, "near"), (0.8, "perceptual"), (1.3, "perceptual"), (2.0, "near")):
        yield Alteration("saturation", f"x{factor:g}", tier, partial(_enhanced, ImageEnhance.Color, factor))
    for name, gains in (("warm", (1.12, 1.0, 0.86)), ("cold", (0.88, 1.0, 1.12))):
        yield Alteration("white balance", name, "near", partial(_balanced, gains))
    for name, change in (("sepia", _sepia), ("grey", _grey), ("invert", _inverted), ("equalise", _equalised)):
        yield Alteration("recolour", name, "near", change)


def _modes() -> Iterator[Alteration]:
    yield Alteration("mode", "P, 256 colours", "perceptual", partial(_palette, 256), ".png", {})
    yield Alteration("mode", "P, 32 colours", "perceptual", partial(_palette, 32), ".png", {})
    yield Alteration("mode", "L", "near", lambda image, rng: image.convert("L"), ".png", {})
    yield Alteration("mode", "1", "near", lambda image, rng: image.convert("1"), ".png", {})
    yield Alteration("mode", "RGBA", "pixels", lambda image, rng: image.convert("RGBA"), ".png", {})
    yield Alteration("mode", "CMYK", "perceptual", lambda image, rng: image.convert("CMYK"), ".jpg", {"quality": 92})
    yield Alteration("mode", "16 bit", "near", _sixteen_bit, ".png", {})


def _scaled(across: float, down: float, image: Image.Image, rng: random.Random) -> Image.Image:
    size = max(8, round(image.width * across)), max(8, round(image.height * down))
    return image.resize(size, rng.choice((Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)))


def _within(side: int, image: Image.Image, rng: random.Random) -> Image.Image:
    factor = side / max(image.size)
    return _scaled(factor, factor, image, rng)


def _cropped(lost: float, image: Image.Image, rng: random.Random) -> Image.Image:
    """Cuts ``lost`` of the area off, at a random place, about keeping the aspect."""
    bend = rng.uniform(0.9, 1.1)
    keep = (1 - lost) ** 0.5
    across, down = min(1.0, keep * bend), min(1.0, keep / bend)
    width, height = round(image.width * across), round(image.height * down)
    left, top = rng.randint(0, image.width - width), rng.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height))


def _trimmed(share: float, image: Image.Image, rng: random.Random) -> Image.Image:
    x, y = round(image.width * share), round(image.height * share)
    return image.crop((x, y, image.width - x, image.height - y))


def _transposed(method: Image.Transpose, image: Image.Image, rng: random.Random) -> Image.Image:
    return image.transpose(method)


def _rotated(degrees: float, image: Image.Image, rng: random.Random) -> Image.Image:
    angle = degrees * rng.choice((-1, 1))
    return image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=rng.choice(((0, 0, 0), (255, 255, 255))))


def _rotated_inside(degrees: float, image: Image.Image, rng: random.Random) -> Image.Image:
    """Rotated, then cut to the largest part of the same aspect without corners."""
    angle = np.radians(degrees)
    aspect = max(image.size) / min(image.size)
    keep = 1 / (np.cos(angle) + aspect * np.sin(angle))
    whole = image.rotate(degrees * rng.choice((-1, 1)), Image.Resampling.BICUBIC)
    return _trimmed((1 - keep) / 2, whole, rng)


def _blurred(radius: float, image: Image.Image, rng: random.Random) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(radius * max(image.size) / 640))


def _sharpened(percent: int, image: Image.Image, rng: random.Random) -> Image.Image:
    return image.filter(ImageFilter.UnsharpMask(2, percent, 2))


def _noisy(sigma: float, image: Image.Image, rng: random.Random) -> Image.Image:
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, sigma, (image.height, image.width, 3))
    return Image.fromarray((np.asarray(image, np.float32) + noise).clip(0, 255).astype(np.uint8))


def _enhanced(enhance: Any, factor: float, image: Image.Image, rng: random.Random) -> Image.Image:
    changed: Image.Image = enhance(image).enhance(factor)
    return changed


def _gamma(gamma: float, image: Image.Image, rng: random.Random) -> Image.Image:
    return image.point([round(255 * (v / 255) ** gamma) for v in range(256)] * len(image.getbands()))


def _balanced(gains: tuple[float, float, float], image: Image.Image, rng: random.Random) -> Image.Image:
    return Image.fromarray((np.asarray(image, np.float32) * gains).clip(0, 255).astype(np.uint8))


def _sepia(image: Image.Image, rng: random.Random) -> Image.Image:
    return ImageOps.colorize(image.convert("L"), (35, 20, 5), (255, 240, 205), (160, 120, 80))


def _grey(image: Image.Image, rng: random.Random) -> Image.Image:
    return image.convert("L").convert("RGB")


def _inverted(image: Image.Image, rng: random.Random) -> Image.Image:
    return ImageOps.invert(image)


def _equalised(image: Image.Image, rng: random.Random) -> Image.Image:
    return ImageOps.autocontrast(image, cutoff=4)


def _palette(colours: int, image: Image.Image, rng: random.Random) -> Image.Image:
    return image.quantize(colours)


def _sixteen_bit(image: Image.Image, rng: random.Random) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L"), np.uint16) * 257)
