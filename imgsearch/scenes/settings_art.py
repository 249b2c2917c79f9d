"""Backgrounds: one painter per setting, with its own clutter, which contains no object that captions name."""

from __future__ import annotations

import random
from collections.abc import Callable

from PIL import Image, ImageDraw

RGB = tuple[int, int, int]


def paint_background(setting: str, rng: random.Random, size: int) -> Image.Image:
    """An RGB image [size, size] of the setting; raises KeyError for an unknown setting."""
    canvas = Image.new("RGB", (size, size))
    PAINTERS[setting](canvas, rng)
    return canvas


def _jitter(colour: RGB, rng: random.Random, amount: int = 12) -> RGB:
    return tuple(min(255, max(0, channel + rng.randint(-amount, amount))) for channel in colour)  # type: ignore[return-value]


def _gradient(canvas: Image.Image, top: RGB, bottom: RGB, y0: float = 0.0, y1: float = 1.0) -> None:
    width, height = canvas.size
    first, last = round(y0 * height), round(y1 * height)
    strip = Image.new("RGB", (1, 2))
    strip.putpixel((0, 0), top)
    strip.putpixel((0, 1), bottom)
    if last > first:
        canvas.paste(strip.resize((width, last - first), Image.Resampling.BILINEAR), (0, first))


def _specks(
    canvas: Image.Image, rng: random.Random, colour: RGB, count: int, y0: float, y1: float, radius: float
) -> None:
    pen = ImageDraw.Draw(canvas)
    width, height = canvas.size
    for _ in range(count):
        x, y, r = rng.uniform(0, width), rng.uniform(y0, y1) * height, rng.uniform(0.3, 1) * radius * width
        pen.ellipse([x - r, y - r, x + r, y + r], fill=_jitter(colour, rng))


def _strokes(canvas: Image.Image, rng: random.Random, colour: RGB, count: int, y0: float, dx: float, dy: float) -> None:
    pen = ImageDraw.Draw(canvas)
    width, height = canvas.size
    for _ in range(count):
        x, y = rng.uniform(0, width), rng.uniform(y0, 1) * height
        length = rng.uniform(0.4, 1) * width
        pen.line([x, y, x + dx * length, y + dy * length], fill=_jitter(colour, rng), width=max(1, width // 110))


def _horizon(rng: random.Random) -> float:
    return rng.uniform(0.25, 0.5)


def _sea(canvas: Image.Image, rng: random.Random) -> None:
    line = _horizon(rng)
    _gradient(canvas, _jitter((150, 205, 235), rng), _jitter((205, 232, 242), rng), 0, line)
    _gradient(canvas, _jitter((66, 150, 176), rng), _jitter((40, 112, 142), rng), line, 1)
    _strokes(canvas, rng, (150, 205, 215), 26, line, 0.12, 0)


def _snow(canvas: Image.Image, rng: random.Random) -> None:
    line = _horizon(rng)
    _gradient(canvas, _jitter((176, 190, 206), rng), _jitter((206, 214, 224), rng), 0, line)
    _gradient(canvas, _jitter((232, 238, 246), rng, 6), _jitter((214, 224, 238), rng), line, 1)
    _specks(canvas, rng, (250, 252, 255), 60, 0, 1, 0.012)


def _night(canvas: Image.Image, rng: random.Random) -> None:
    _gradient(canvas, _jitter((12, 16, 44), rng), _jitter((40, 44, 84), rng))
    _specks(canvas, rng, (230, 226, 190), 40, 0, 0.8, 0.006)
    _gradient(canvas, _jitter((24, 30, 48), rng), _jitter((18, 22, 36), rng), rng.uniform(0.8, 0.9), 1)


def _grass(canvas: Image.Image, rng: random.Random) -> None:
    line = _horizon(rng)
    _gradient(canvas, _jitter((140, 196, 240), rng), _jitter((210, 232, 246), rng), 0, line)
    _gradient(canvas, _jitter((132, 190, 92), rng), _jitter((96, 160, 66), rng), line, 1)
    _strokes(canvas, rng, (80, 140, 56), 70, line, 0.006, -0.035)


def _desert(canvas: Image.Image, rng: random.Random) -> None:
    line = _horizon(rng)
    _gradient(canvas, _jitter((156, 206, 236), rng), _jitter((232, 226, 206), rng), 0, line)
    _gradient(canvas, _jitter((232, 204, 150), rng), _jitter((214, 178, 120), rng), line, 1)
    _specks(canvas, rng, (196, 160, 104), 60, line, 1, 0.006)
    _strokes(canvas, rng, (204, 170, 114), 8, line, 0.3, 0.02)


def _sunset(canvas: Image.Image, rng: random.Random) -> None:
    line = rng.uniform(0.55, 0.8)
    _gradient(canvas, _jitter((112, 74, 132), rng), _jitter((246, 164, 96), rng), 0, line)
    _gradient(canvas, _jitter((104, 68, 84), rng), _jitter((66, 44, 64), rng), line, 1)
    _strokes(canvas, rng, (150, 100, 100), 8, line, 0.2, 0)


def _room(canvas: Image.Image, rng: random.Random) -> None:
    line = rng.uniform(0.6, 0.78)
    wall = _jitter(rng.choice(((226, 214, 196), (206, 214, 206), (222, 206, 206))), rng)
    _gradient(canvas, wall, wall, 0, line)
    pen = ImageDraw.Draw(canvas)
    width, height = canvas.size
    step = width // rng.randint(7, 11)
    shade: RGB = tuple(max(0, channel - 12) for channel in wall)  # type: ignore[assignment]
    for x in range(rng.randint(0, step), width, step):
        pen.line([x, 0, x, line * height], fill=shade, width=max(1, width // 120))
    _gradient(canvas, _jitter((176, 136, 100), rng), _jitter((150, 110, 78), rng), line, 1)
    for row in range(1, 4):
        y = height * (line + (1 - line) * row / 4)
        pen.line([0, y, width, y], fill=(136, 98, 68), width=max(1, width // 120))


def _road(canvas: Image.Image, rng: random.Random) -> None:
    line = _horizon(rng)
    _gradient(canvas, _jitter((186, 204, 216), rng), _jitter((214, 220, 222), rng), 0, line)
    _gradient(canvas, _jitter((112, 114, 118), rng), _jitter((90, 92, 98), rng), line, 1)
    pen = ImageDraw.Draw(canvas)
    width, height = canvas.size
    y, dash = rng.uniform(line + 0.15, 0.95) * height, width / rng.randint(5, 8)
    offset = rng.uniform(0, dash)
    for number in range(-1, 9):
        x = offset + number * dash
        pen.line([x, y, x + dash * 0.55, y], fill=(222, 222, 214), width=max(2, width // 60))
    pen.rectangle([0, line * height, width, (line + 0.03) * height], fill=_jitter((160, 158, 152), rng))


PAINTERS: dict[str, Callable[[Image.Image, random.Random], None]] = {
    "sea": _sea,
    "snow": _snow,
    "night": _night,
    "grass": _grass,
    "desert": _desert,
    "sunset": _sunset,
    "room": _room,
    "road": _road,
}
