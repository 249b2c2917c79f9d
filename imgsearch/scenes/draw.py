"""Paints a scene. Everything that the words leave open comes from the scene's style seed."""

from __future__ import annotations

import colorsys
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from imgsearch.scenes.graph import ObjectGroup, Scene
from imgsearch.scenes.settings_art import paint_background
from imgsearch.scenes.shapes import SHAPES, SHIFTED_SHAPES
from imgsearch.scenes.vocabulary import SETTINGS, colour_of

DEFAULT_SIZE = 224
_SUPERSAMPLE = 2
RGB = tuple[int, int, int]

# Part of the image in which a group stands, as (centre x, centre y, half width, half height).
_REGIONS = {
    "left": (0.25, 0.5, 0.2, 0.3),
    "right": (0.75, 0.5, 0.2, 0.3),
    "top": (0.5, 0.25, 0.3, 0.2),
    "bottom": (0.5, 0.75, 0.3, 0.2),
    "middle": (0.5, 0.5, 0.26, 0.26),
}
_RADII = {"small": (0.062, 0.08), "large": (0.105, 0.13)}


@dataclass(frozen=True, slots=True)
class SceneBox:
    """The place of one painted thing, in fractions of the image; ``group`` is its index in the scene."""

    group: int
    x0: float
    y0: float
    x1: float
    y1: float


def draw_scene(scene: Scene, size: int = DEFAULT_SIZE) -> tuple[Image.Image, list[SceneBox]]:
    """The RGB image [size, size] and the box of every thing in it. The same scene gives the same pixels."""
    rng = random.Random(scene.style)
    canvas = paint_background(scene.setting, rng, size)
    boxes: list[SceneBox] = []
    for number, group in enumerate(scene.groups):
        spots = _place(group, random.Random(f"{scene.style}:{group.position}"))
        look = random.Random(f"{scene.style}:{group.kind}")
        shade = _vary(colour_of(group.colour)[0], look)
        for x, y, radius in spots:
            paint_thing(canvas, group.kind, _nudge(shade, look), (x * size, y * size), radius * size, look)
            boxes.append(SceneBox(number, x - radius, y - radius, x + radius, y + radius))
    if rng.random() < 0.3:
        canvas = canvas.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.9) * size / DEFAULT_SIZE))
    return _film(canvas, rng), boxes


def draw_sheet(
    rng: random.Random, kinds: Sequence[tuple[str, str]], size: int = DEFAULT_SIZE
) -> tuple[Image.Image, list[SceneBox], Scene]:
    """An image full of single things of the given (kind, colour) pairs, for teaching a ViT to see: the image, the
    boxes, and a "scene" with one group a thing. It follows no layout and has no captions."""
    setting = rng.choice(tuple(SETTINGS))
    canvas = paint_background(setting, rng, size)
    across = math.ceil(math.sqrt(len(kinds)))
    cell = 1 / across
    boxes, groups = [], []
    for number, (kind, colour) in enumerate(kinds):
        thing_size = rng.choice(tuple(_RADII))
        radius = min(rng.uniform(*_RADII[thing_size]), cell * 0.62)
        x = (number % across + 0.5) * cell + rng.uniform(-0.3, 0.3) * max(cell - radius, 0)
        y = (number // across + 0.5) * cell + rng.uniform(-0.3, 0.3) * max(cell - radius, 0)
        paint_thing(canvas, kind, _vary(colour_of(colour)[0], rng), (x * size, y * size), radius * size, rng)
        boxes.append(SceneBox(number, x - radius, y - radius, x + radius, y + radius))
        groups.append(ObjectGroup(kind, colour, thing_size, 1, "middle"))
    return _film(canvas, rng), boxes, Scene(setting, tuple(groups), 0)


def _place(group: ObjectGroup, rng: random.Random) -> list[tuple[float, float, float]]:
    """(x, y, radius) of each thing of the group: apart from each other, inside the group's region."""
    cx, cy, half_w, half_h = _REGIONS[group.position]
    low, high = _RADII[group.size]
    radius = rng.uniform(low, high)
    cx += rng.uniform(-0.03, 0.03)
    cy += rng.uniform(-0.03, 0.03)
    spots: list[tuple[float, float, float]] = []
    tries = 0
    while len(spots) < group.count:
        tries += 1
        r = radius * rng.uniform(0.94, 1.06)
        x = cx + rng.uniform(-1, 1) * max(half_w - 0.6 * r, 0.01)
        y = cy + rng.uniform(-1, 1) * max(half_h - 0.6 * r, 0.01)
        if all(max(abs(x - px), abs(y - py)) >= 0.98 * (r + pr) for px, py, pr in spots):
            spots.append((x, y, r))
        elif tries > 60:  # cornered: begin again, a little smaller
            spots, tries, radius = [], 0, radius * 0.96
    return spots


def paint_thing(
    canvas: Image.Image,
    kind: str,
    colour: RGB,
    centre: tuple[float, float],
    radius: float,
    rng: random.Random,
) -> None:
    side = max(8, round(2.5 * radius)) * _SUPERSAMPLE
    tile = Image.new("RGBA", (side, side), (*_mix(colour, (20, 20, 20), 0.5), 0))
    pen = ImageDraw.Draw(tile)
    angle = radians(rng.gauss(0, 9))
    stretch = rng.uniform(0.9, 1.05)
    mirror = rng.choice((-1, 1))
    tones = {
        "fill": (*colour, 255),
        "dark": (*_mix(colour, (0, 0, 0), 0.28), 255),
        "light": (*_mix(colour, (255, 255, 255), 0.4), 255),
        "ink": (34, 32, 36, 255),
        "paper": (240, 238, 230, 255),
        "hole": (0, 0, 0, 0),
    }
    scale = radius * _SUPERSAMPLE

    def point(x: float, y: float) -> tuple[float, float]:
        x, y = x * mirror * stretch, y
        return (
            side / 2 + scale * (x * cos(angle) - y * sin(angle)),
            side / 2 + scale * (x * sin(angle) + y * cos(angle)),
        )

    edge = (
        (*_mix(colour, (0, 0, 0), 0.55 if sum(colour) > 150 else 0.0), 255)
        if sum(colour) > 150
        else (150, 150, 155, 255)
    )
    for what, tone, numbers in SHAPES.get(kind) or SHIFTED_SHAPES[kind]:
        line_width = max(1, round(0.045 * scale))
        if what == "line":
            points = [point(x, y) for x, y in _pairs(numbers[1:])]
            pen.line(points, fill=tones[tone], width=max(1, round(numbers[0] * scale)))
            continue
        points = [point(x, y) for x, y in _outline(what, numbers)]
        outlined = tone in ("fill", "dark")
        pen.polygon(points, fill=tones[tone])
        if outlined:
            pen.line([*points, points[0]], fill=edge, width=line_width)
    _texture(tile, rng)
    small = tile.resize((side // _SUPERSAMPLE, side // _SUPERSAMPLE), Image.Resampling.BOX)
    canvas.paste(small, (round(centre[0] - small.width / 2), round(centre[1] - small.height / 2)), small)


def _outline(what: str, numbers: tuple[float, ...]) -> list[tuple[float, float]]:
    """Polygon points of a primitive; ovals and pies become polygons so that they can be turned."""
    if what == "poly":
        return _pairs(numbers)
    x0, y0, x1, y1 = numbers[:4]
    start, end = (0.0, 360.0) if what == "oval" else numbers[4:6]
    steps = max(6, round((end - start) / 15))
    cx, cy, rx, ry = (x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2, (y1 - y0) / 2
    angles = [radians(start + (end - start) * step / steps) for step in range(steps + 1)]
    arc = [(cx + rx * cos(angle), cy + ry * sin(angle)) for angle in angles]
    return arc if what == "oval" else [(cx, cy), *arc]


def _pairs(numbers: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _texture(tile: Image.Image, rng: random.Random) -> None:
    """Adds faint stripes, dots or nothing, only where the object is."""
    kind = rng.random()
    if kind > 0.35:
        return
    side = tile.width
    cover = Image.new("L", tile.size, 0)
    pen = ImageDraw.Draw(cover)
    step = max(4, side // 7)
    if kind < 0.18:
        for x in range(-side, side, step):
            pen.line([(x, 0), (x + side, side)], fill=46, width=max(1, step // 3))
    else:
        for x in range(0, side, step):
            for y in range(0, side, step):
                pen.ellipse([x, y, x + step // 2, y + step // 2], fill=46)
    alpha = tile.getchannel("A")
    mark = rng.choice(((255, 255, 255), (0, 0, 0)))
    tile.paste(Image.new("RGBA", tile.size, (*mark, 255)), (0, 0), cover)
    tile.putalpha(alpha)


def _vary(colour: RGB, rng: random.Random) -> RGB:
    """A shade of a colour: a little hue, more lightness; still the same colour's name."""
    hue, light, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in colour))
    hue += rng.uniform(-0.012, 0.012)
    light = min(0.97, max(0.05, light * rng.uniform(0.9, 1.1)))
    saturation = min(1.0, saturation * rng.uniform(0.85, 1.1))
    red, green, blue = colorsys.hls_to_rgb(hue % 1, light, saturation)
    return round(255 * red), round(255 * green), round(255 * blue)


def _nudge(colour: RGB, rng: random.Random) -> RGB:
    step = rng.randint(-7, 7)
    return tuple(min(255, max(0, channel + step)) for channel in colour)  # type: ignore[return-value]


def _mix(colour: RGB, other: RGB, share: float) -> RGB:
    return tuple(round(a * (1 - share) + b * share) for a, b in zip(colour, other, strict=True))  # type: ignore[return-value]


def _film(canvas: Image.Image, rng: random.Random) -> Image.Image:
    """Exposure and grain."""
    gain, lift = rng.uniform(0.93, 1.07), rng.uniform(-6, 6)
    grain = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(0, 5), (canvas.height, canvas.width, 1))
    pixels = np.asarray(canvas, dtype=np.float32) * gain + lift + grain
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
