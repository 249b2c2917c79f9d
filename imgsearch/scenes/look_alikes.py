"""Images that look alike and are not copies of each other, which a search for copies must not confuse."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from imgsearch.errors import StorageFull
from imgsearch.scenes.copies import CopyTruth
from imgsearch.scenes.draw import draw_scene, paint_thing
from imgsearch.scenes.graph import Domain, make_twin, sample_scene
from imgsearch.scenes.shapes import SHAPES

_ALIKE_IN_LIGHTNESS = ("blue", "brown", "green", "purple", "red")

RGB = tuple[int, int, int]


def look_alikes(seed: int, sets: int = 4) -> Iterator[tuple[str, int, Image.Image]]:
    """(family, set, image): images of one family and set look alike, and none is a copy of another. ``sets`` of each
    family; the same seed draws the same images."""
    for family, draw in FAMILIES.items():
        for number in range(sets):
            for picture in draw(random.Random(f"{family}:{seed}:{number}")):
                yield family, number, picture


def write_look_alikes(folder: Path, seed: int, sets: int = 4) -> list[CopyTruth]:
    """Write `look_alikes` into ``folder``, JPEG of quality 90 and PNG in alternate sets; each is its own source. Raises
    StorageFull."""
    truth: list[CopyTruth] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for count, (family, number, picture) in enumerate(look_alikes(seed, sets)):
            name = f"alike-{family.replace(' ', '-')}-{number:02d}-{count:05d}" + (".png" if number % 2 else ".jpg")
            picture.save(folder / name, quality=90)
            truth.append(CopyTruth(name, name, family, f"set {number}"))
    except OSError as exc:
        raise StorageFull(f"{folder} cannot be written: {exc}", "choose another folder or free space") from exc
    return truth


def _belt(rng: random.Random) -> Iterator[Image.Image]:
    """Frames of a fixed camera over a conveyor belt: texture, rails and light stay, one to four things move along."""
    width, height = rng.choice(((640, 480), (800, 450), (512, 512)))
    still = _belt_background(rng, width, height)
    things = [_thing(rng, width) for _ in range(rng.randint(1, 4))]
    lanes = [rng.uniform(0.3, 0.7) * height for _ in things]
    begins = [rng.uniform(-0.2, 0.8) * width for _ in things]
    step = rng.uniform(0.03, 0.2) * width
    for frame in range(8):
        canvas = still.copy()
        for thing, lane, begin in zip(things, lanes, begins, strict=True):
            x = (begin + frame * step) % width
            canvas.paste(thing, (round(x - thing.width / 2), round(lane - thing.height / 2)), thing)
        yield _exposed(canvas, rng, gain=0.015, sigma=2.5)


def _belt_background(rng: random.Random, width: int, height: int) -> Image.Image:
    noise = np.random.default_rng(rng.getrandbits(32))
    base = rng.uniform(40, 150)
    fall = np.linspace(-1, 1, width)[None, :] * rng.uniform(-25, 25) + np.linspace(-1, 1, height)[:, None] * 12
    grain = np.asarray(
        Image.fromarray(noise.integers(0, 255, (height // 3, width // 3), np.uint8)).resize((width, height)), np.float32
    )
    grey = base + fall + (grain - 127) * rng.uniform(0.03, 0.12)
    tint = np.array([rng.uniform(-8, 8) for _ in range(3)])
    canvas = Image.fromarray((grey[..., None] + tint).clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(canvas)
    edge = rng.uniform(0.1, 0.2) * height
    for y in (edge, height - edge):
        pen.rectangle((0, y - 6, width, y + 6), fill=tuple(rng.randint(90, 200) for _ in range(3)))
    for x in range(0, width, width // rng.randint(5, 12)):
        pen.line((x, 0, x, edge), fill=(30, 30, 30), width=4)
    return canvas


def _thing(rng: random.Random, width: int) -> Image.Image:
    """A small thing, 2-8 % of the frame wide."""
    radius = rng.uniform(0.02, 0.08) * width / 2
    tile = Image.new("RGB", (round(3 * radius), round(3 * radius)), (0, 255, 0))
    colour: RGB = (rng.randint(0, 255), rng.randint(0, 120), rng.randint(0, 255))
    paint_thing(tile, rng.choice(sorted(SHAPES)), colour, (tile.width / 2, tile.height / 2), radius, rng)
    pixels = np.asarray(tile)
    alpha = np.where((pixels == (0, 255, 0)).all(axis=-1), 0, 255).astype(np.uint8)
    tile.putalpha(Image.fromarray(alpha))
    return tile


def _exposed(canvas: Image.Image, rng: random.Random, gain: float, sigma: float) -> Image.Image:
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, sigma, (canvas.height, canvas.width, 3))
    pixels = np.asarray(canvas.convert("RGB"), np.float32) * (1 + rng.uniform(-gain, gain)) + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _twins(rng: random.Random) -> Iterator[Image.Image]:
    """One background; things whose colours, counts or places are exchanged."""
    scene = sample_scene(rng, Domain(two_groups=1.0))
    while len({group.colour for group in scene.groups}) < 2:
        scene = sample_scene(rng, Domain(two_groups=1.0))
    yield draw_scene(scene)[0]
    for kind in ("colour", "count", "relation"):
        yield draw_scene(make_twin(scene, kind, rng))[0]


def _moved(rng: random.Random) -> Iterator[Image.Image]:
    """The same thing elsewhere before one background."""
    scene = sample_scene(rng, Domain(two_groups=0.0))
    for position in ("left", "right", "top", "bottom", "middle"):
        yield draw_scene(replace(scene, groups=(replace(scene.groups[0], position=position),)))[0]


def _exchanged(rng: random.Random) -> Iterator[Image.Image]:
    """Other things at the same place before one background."""
    scene = sample_scene(rng, Domain(two_groups=0.0))
    for kind in rng.sample(sorted(SHAPES), 5):
        yield draw_scene(replace(scene, groups=(replace(scene.groups[0], kind=kind),)))[0]


def _repainted(rng: random.Random) -> Iterator[Image.Image]:
    """The same things at the same places, one of them in other colours that are about as light."""
    scene = sample_scene(rng, Domain(two_groups=1.0))
    yield draw_scene(scene)[0]
    group = scene.groups[0]
    for colour in rng.sample(sorted(set(_ALIKE_IN_LIGHTNESS) - {group.colour, scene.groups[1].colour}), 3):
        yield draw_scene(replace(scene, groups=(replace(group, colour=colour), *scene.groups[1:])))[0]


def _flat(rng: random.Random) -> Iterator[Image.Image]:
    """Plain colours, with and without grain."""
    for number in range(6):
        colour = tuple(rng.randint(0, 255) for _ in range(3))
        plain = Image.new("RGB", (320, 240), colour)
        yield _exposed(plain, rng, 0.0, 2.0) if number % 2 else plain


def _gradients(rng: random.Random) -> Iterator[Image.Image]:
    for _ in range(6):
        first, last = (np.array([rng.randint(0, 255) for _ in range(3)]) for _ in range(2))
        angle = rng.uniform(0, 2 * np.pi)
        y, x = np.mgrid[-1:1:240j, -1:1:320j]
        share = ((x * np.cos(angle) + y * np.sin(angle)) / 2.83 + 0.5)[..., None]
        yield Image.fromarray((first * (1 - share) + last * share).clip(0, 255).astype(np.uint8))


def _pages(rng: random.Random) -> Iterator[Image.Image]:
    """Pages of text in one layout, with other words."""
    font = ImageFont.load_default(rng.choice((13, 15, 18)))
    lines, margin = rng.randint(18, 26), rng.randint(30, 60)
    for _ in range(5):
        page = Image.new("RGB", (480, 640), (252, 251, 247))
        pen = ImageDraw.Draw(page)
        for line in range(lines):
            words = " ".join(
                "".join(rng.choice("etaoinshrdlu") for _ in range(rng.randint(2, 9))) for _ in range(rng.randint(6, 9))
            )
            pen.text((margin, margin + line * 22), words[:52], fill=(25, 25, 30), font=font)
        yield page


def _skies(rng: random.Random) -> Iterator[Image.Image]:
    """Skies over one horizon, with other clouds: large smooth shapes alike, the rest not."""
    low, high = np.array([205.0, 225, 240]), np.array([90.0, 150, 215])
    horizon = rng.uniform(0.6, 0.85)
    noise = np.random.default_rng(rng.getrandbits(32))
    y = np.linspace(0, 1, 300)[:, None, None]
    ground = np.where(y > horizon, 1.0, 0.0)
    for _ in range(5):
        clouds = Image.fromarray(noise.integers(0, 255, (14, 18), np.uint8)).resize(
            (400, 300), Image.Resampling.BICUBIC
        )
        cloud = np.asarray(clouds.filter(ImageFilter.GaussianBlur(6)), np.float32)[..., None]
        sky = high + (low - high) * y + (cloud - 127) * 0.35
        yield Image.fromarray((sky * (1 - ground) + np.array([70.0, 90, 50]) * ground).clip(0, 255).astype(np.uint8))


FAMILIES: dict[str, Callable[[random.Random], Iterator[Image.Image]]] = {
    "belt": _belt,
    "twins": _twins,
    "moved": _moved,
    "exchanged": _exchanged,
    "repainted": _repainted,
    "flat": _flat,
    "gradients": _gradients,
    "pages": _pages,
    "skies": _skies,
}
"""Family -> the function that draws one set of it."""
