"""Overlays on an image: words, a caption, a mark, a sticker, a watermark, a border. Each at random places."""

from __future__ import annotations

import random
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps


def _pen(image: Image.Image) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    canvas = image.copy()
    return canvas, ImageDraw.Draw(canvas, "RGBA")


def with_text(image: Image.Image, rng: random.Random) -> Image.Image:
    """A line of words in one colour, 6 to 10 % of the image high."""
    canvas, pen = _pen(image)
    words = rng.choice(("2026-11-21 14:02", "www.example.org/p/81", "SAMPLE  do not copy", "Happy birthday!"))
    size = round(min(image.size) * rng.uniform(0.06, 0.1))
    place = round(image.width * rng.uniform(0.02, 0.25)), round(image.height * rng.uniform(0.05, 0.85))
    pen.text(place, words, fill=rng.choice(((255, 220, 60), (255, 255, 255), (20, 20, 20))), font=_font(size))
    return canvas


def _font(size: int) -> Any:
    return ImageFont.load_default(max(8, size))


def with_bar(image: Image.Image, rng: random.Random) -> Image.Image:
    """A bar with a caption over 12 % of the image, above or below."""
    canvas, pen = _pen(image)
    high = round(image.height * 0.12)
    top = rng.choice((0, image.height - high))
    pen.rectangle((0, top, image.width, top + high), fill=(245, 245, 245))
    pen.text((high // 3, top + high // 4), "when the weekend comes", fill=(10, 10, 10), font=_font(high // 2))
    return canvas


def with_logo(image: Image.Image, rng: random.Random) -> Image.Image:
    """A round mark in a corner."""
    canvas, pen = _pen(image)
    side = round(min(image.size) * rng.uniform(0.12, 0.18))
    margin = side // 4
    x, y = rng.choice((margin, image.width - side - margin)), rng.choice((margin, image.height - side - margin))
    colour = tuple(rng.randint(0, 255) for _ in range(3))
    pen.ellipse((x, y, x + side, y + side), fill=(*colour, 255), outline=(255, 255, 255, 255), width=max(1, side // 12))
    pen.polygon(
        [(x + side / 2, y + side / 5), (x + 4 * side / 5, y + 3 * side / 4), (x + side / 5, y + 3 * side / 4)],
        fill=(255, 255, 255, 255),
    )
    return canvas


def with_sticker(image: Image.Image, rng: random.Random) -> Image.Image:
    """A round face over a tenth of the image."""
    canvas, pen = _pen(image)
    side = round((0.1 * image.width * image.height) ** 0.5)
    x, y = rng.randint(0, max(0, image.width - side)), rng.randint(0, max(0, image.height - side))
    pen.ellipse(
        (x, y, x + side, y + side), fill=(250, 205, 40, 255), outline=(60, 40, 0, 255), width=max(1, side // 20)
    )
    for eye in (0.32, 0.68):
        pen.ellipse(
            (x + (eye - 0.07) * side, y + 0.3 * side, x + (eye + 0.07) * side, y + 0.48 * side), fill=(40, 30, 0, 255)
        )
    pen.arc(
        (x + 0.25 * side, y + 0.35 * side, x + 0.75 * side, y + 0.8 * side),
        20,
        160,
        (40, 30, 0, 255),
        max(1, side // 14),
    )
    return canvas


def with_watermark(image: Image.Image, rng: random.Random) -> Image.Image:
    """Pale words all over."""
    canvas, pen = _pen(image)
    size = round(min(image.size) * 0.08)
    for row, y in enumerate(range(0, image.height, 3 * size)):
        for x in range(-2 * size * (row % 2), image.width, 7 * size):
            pen.text((x, y), "(c) preview", fill=(255, 255, 255, 90), font=_font(size))
    return canvas


def bordered(colour: tuple[int, int, int], image: Image.Image, rng: random.Random) -> Image.Image:
    """A plain border outside the image, 3 to 6 % of its shorter side."""
    return ImageOps.expand(image, round(min(image.size) * rng.uniform(0.03, 0.06)), colour)
