"""Changes between two shots of a camera: it moves a little, its sensor has other noise, light and things change."""

from __future__ import annotations

import random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

_GRID = 6


def noisy(image: Image.Image, rng: random.Random, sigma: float = 2.5, gain: float = 1.0) -> Image.Image:
    """Another exposure of the sensor: Gaussian noise of ``sigma`` levels, light times ``gain``."""
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, sigma, (image.height, image.width, 3))
    pixels = np.asarray(image.convert("RGB"), np.float32) * gain + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def exposed(image: Image.Image, stops: float) -> Image.Image:
    """The shot at another exposure time: light doubled per stop in linear light, cut off at white."""
    light = (np.asarray(image.convert("RGB"), np.float32) / 255) ** 2.2 * 2**stops
    return Image.fromarray((light.clip(0, 1) ** (1 / 2.2) * 255).round().astype(np.uint8))


def balanced(image: Image.Image, warmth: float) -> Image.Image:
    """Another white balance: red times 1 + ``warmth``, blue times 1 - ``warmth``."""
    pixels = np.asarray(image.convert("RGB"), np.float32) * np.array([1 + warmth, 1.0, 1 - warmth], np.float32)
    return Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))


def focused(image: Image.Image, near: bool, radius: float = 4.0) -> Image.Image:
    """Sharp in its lower half (``near``) or its upper one, blurred towards the other."""
    ramp = np.linspace(0, 255, image.height)[:, None] * np.ones((1, image.width))
    cover = Image.fromarray((ramp if near else 255 - ramp).astype(np.uint8))
    return Image.composite(image, image.filter(ImageFilter.GaussianBlur(radius)), cover)


def shaken(image: Image.Image, pixels: int = 11) -> Image.Image:
    """Moved while the shutter was open: ``pixels`` of a straight path, averaged."""
    shown = np.asarray(image.convert("RGB"), np.float32)
    path = [np.roll(np.roll(shown, step, 1), step // 3, 0) for step in range(-(pixels // 2), pixels // 2 + 1)]
    return Image.fromarray(np.mean(path, 0).round().astype(np.uint8))


def moved(image: Image.Image, rng: random.Random, motion: float = 0.012, parallax: float = 0.012) -> Image.Image:
    """Another shot by hand: shifted, turned and zoomed by about ``motion`` of the width, near things (below) by
    ``parallax`` more, uneven by a third of that; cut inside, so that no edge shows."""
    width, height = image.size
    margin = round(0.05 * max(width, height))
    large = image.resize((width + 2 * margin, height + 2 * margin), Image.Resampling.BICUBIC)
    shift = [rng.uniform(-motion, motion) * width for _ in range(2)]
    near = [rng.choice((-1, 1)) * parallax * width, rng.uniform(-0.3, 0.3) * parallax * width]
    angle, zoom = rng.uniform(-0.6, 0.6) * motion, rng.uniform(-0.6, 0.6) * motion
    uneven = {
        (i, j): [rng.uniform(-0.3, 0.3) * parallax * width for _ in range(2)]
        for i in range(_GRID + 1)
        for j in range(_GRID + 1)
    }

    def place(i: int, j: int) -> tuple[float, float]:
        x, y = width * i / _GRID, height * j / _GRID
        cx, cy, depth = x - width / 2, y - height / 2, (j / _GRID) ** 2
        return (
            margin + x + shift[0] + near[0] * depth + zoom * cx - angle * cy + uneven[i, j][0],
            margin + y + shift[1] + near[1] * depth + zoom * cy + angle * cx + uneven[i, j][1],
        )

    mesh = []
    for i in range(_GRID):
        for j in range(_GRID):
            box = (width * i // _GRID, height * j // _GRID, width * (i + 1) // _GRID, height * (j + 1) // _GRID)
            mesh.append((box, (*place(i, j), *place(i, j + 1), *place(i + 1, j + 1), *place(i + 1, j))))
    return large.transform(image.size, Image.Transform.MESH, mesh, Image.Resampling.BICUBIC)


def with_thing(image: Image.Image, rng: random.Random, share: float = 0.05) -> Image.Image:
    """Something small has come into the image: a dark figure of ``share`` of the width, with a soft shadow."""
    shown = image.copy()
    pen, side = ImageDraw.Draw(shown), max(6, round(share * image.width))
    x, y = rng.randrange(side, image.width - 2 * side), rng.randrange(image.height // 3, image.height - 3 * side)
    colour = tuple(rng.choice((20, 60, 180, 230)) for _ in range(3))
    pen.ellipse((x + side // 4, y, x + 3 * side // 4, y + side // 2), fill=(205, 170, 140))
    pen.rounded_rectangle((x, y + side // 2, x + side, y + 2 * side), side // 4, fill=colour)
    return shown
