"""The same layout in other colours or with another drawing: each is another image."""

from __future__ import annotations

import math
import random

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from imgsearch.scenes.draw import paint_thing
from imgsearch.scenes.not_copies.album import Draw, MadeAlbum
from imgsearch.scenes.shapes import SHAPES

RGB = tuple[int, int, int]
PURPLE, BLUE, RED, GREEN, YELLOW, WHITE, BLACK, ORANGE = (
    (128, 40, 150),
    (50, 90, 200),
    (200, 40, 40),
    (50, 150, 70),
    (235, 205, 50),
    (250, 250, 250),
    (20, 20, 20),
    (235, 130, 30),
)


_AS_LIGHT: tuple[tuple[RGB, RGB], ...] = (
    ((125, 45, 140), (75, 120, 215)),
    ((190, 30, 50), (40, 165, 70)),
    ((20, 115, 40), (225, 75, 60)),
    ((40, 70, 240), (130, 125, 40)),
    ((110, 72, 40), (160, 90, 190)),
    ((82, 82, 82), (118, 118, 118)),
)
"""Colours of a thing and of its background; each column is equally light from row to row (luma 80, 118)."""


def _repainted(album: MadeAlbum) -> None:
    """One thing, with other colours of it and of its background: equally light, and lighter."""
    kind, style = sorted(SHAPES)[7 * album.number % len(SHAPES)], album.rng.getrandbits(30)
    pairs = ((PURPLE, BLUE), (RED, GREEN), (YELLOW, BLUE), (WHITE, BLACK))
    for number, (thing, behind) in enumerate((*_AS_LIGHT, *pairs)):
        canvas = Image.new("RGB", (400, 400), behind)
        paint_thing(canvas, kind, thing, (200, 200), 220 * album.scale, random.Random(style))
        album.show(f"{kind}-{number}.png", canvas)


def _curve(album: MadeAlbum) -> list[float]:
    values = [album.rng.uniform(0.2, 0.8)]
    while len(values) < 12:
        values.append(min(0.95, max(0.05, values[-1] + album.rng.uniform(-0.2, 0.2))))
    return values


def _chart(values: list[float], ink: RGB, paper: RGB, size: tuple[int, int] = (520, 340)) -> Image.Image:
    image = Image.new("RGB", size, paper)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(13)
    left, top, right, bottom = 50, 30, size[0] - 20, size[1] - 40
    faint = tuple((3 * a + b) // 4 for a, b in zip(paper, ink, strict=True))
    for step in range(6):
        y = bottom - (bottom - top) * step / 5
        pen.line((left, y, right, y), fill=faint)
        pen.text((12, y - 8), f"{20 * step}", fill=ink, font=font)
    width = (right - left) / len(values)
    for number, value in enumerate(values):
        x = left + width * number
        pen.rectangle((x + 4, bottom - (bottom - top) * value, x + width - 4, bottom), fill=ink)
        pen.text((x + 6, bottom + 6), f"{number + 1:02d}", fill=ink, font=font)
    return image


def _tinted_charts(album: MadeAlbum) -> None:
    """One chart grey, sepia, blue and green: equally light, in other colours."""
    values = _curve(album)
    inks: dict[str, tuple[RGB, RGB]] = {
        "grey": ((90, 90, 90), (245, 245, 245)),
        "sepia": ((112, 84, 52), (252, 243, 228)),
        "blue": ((50, 90, 160), (240, 246, 255)),
        "green": ((40, 115, 60), (240, 250, 240)),
    }
    for name, (ink, paper) in inks.items():
        album.show(f"chart-{name}.png", _chart(values, ink, paper))


def _other_values(album: MadeAlbum) -> None:
    """Charts of one layout, the bars of other months changed by a few points."""
    values = _curve(album)
    for number in range(4):
        shown = list(values)
        for at in album.rng.sample(range(12), number):
            shown[at] = min(0.98, max(0.03, shown[at] + album.rng.choice((-0.1, -0.06, 0.06, 0.1))))
        album.show(f"sales-{2018 + number}.png", _chart(shown, (60, 100, 170), WHITE))


def _outlines(album: MadeAlbum) -> None:
    """A shape as outline, filled, hatched and thick."""
    sides, turn, reach = album.rng.randint(3, 8), album.rng.random(), 160 * album.scale
    angles = [2 * math.pi * (k / sides + turn) for k in range(sides)]
    points = [(200 + reach * math.cos(angle), 200 + reach * math.sin(angle)) for angle in angles]
    for name in ("outline", "filled", "thick", "hatched", "pale"):
        image = Image.new("RGB", (400, 400), WHITE)
        pen = ImageDraw.Draw(image)
        if name == "hatched":
            cover = Image.new("L", image.size, 0)
            ImageDraw.Draw(cover).polygon(points, fill=255)
            lines = Image.new("RGB", image.size, WHITE)
            for x in range(-400, 400, 14):
                ImageDraw.Draw(lines).line((x, 0, x + 400, 400), fill=BLACK, width=3)
            image.paste(lines, (0, 0), cover)
        fill = {"filled": BLACK, "pale": (225, 225, 225)}.get(name)
        pen.polygon(points, fill=fill, outline=BLACK, width=round(reach / 6) if name == "thick" else 4)
        album.show(f"shape-{name}.png", image)


def _ramps(album: MadeAlbum) -> None:
    """Gradients of one pair of colours in other shapes."""
    first, last = (np.array([album.rng.randrange(256) for _ in range(3)], float) for _ in range(2))
    for width, height in ((512, 16), (256, 256), (512, 64), (320, 240)):
        share = np.linspace(0, 1, width)[None, :, None] * np.ones((height, 1, 1))
        ramp = (first * (1 - share) + last * share).round().astype(np.uint8)
        album.show(f"ramp-{width}x{height}.png", Image.fromarray(ramp), ("bytes", "container"))


def _negatives(album: MadeAlbum) -> None:
    """An image, its negative, and each channel alone."""
    image = album.pictures.take(coloured=True)
    album.show("scan.png", image)
    album.show("scan-negative.png", ImageOps.invert(image))
    for name, band in zip("rgb", image.split(), strict=True):
        album.show(f"scan-{name}.png", band, ("bytes",))


def _icon_sets(album: MadeAlbum) -> None:
    """One glyph in the colours of a set, 64 px; and selected or not."""
    kind, style = sorted(SHAPES)[(7 * album.number + 3) % len(SHAPES)], album.rng.getrandbits(30)
    for number, colour in enumerate((*(thing for thing, _ in _AS_LIGHT), ORANGE, YELLOW)):
        tile = Image.new("RGB", (64, 64), WHITE)
        ImageDraw.Draw(tile).rounded_rectangle((2, 2, 61, 61), 12, fill=colour)
        paint_thing(tile, kind, WHITE, (32, 32), 20, random.Random(style))
        album.show(f"icon-{number}.png", tile, ("bytes", "container"))


_FLAGS: tuple[dict[str, tuple[RGB, ...]], ...] = (
    {
        "france": ((0, 35, 149), WHITE, (237, 41, 57)),
        "italy": ((0, 146, 70), WHITE, (206, 43, 55)),
        "ireland": ((22, 155, 98), WHITE, (255, 136, 62)),
        "romania": ((0, 43, 127), (252, 209, 22), (206, 17, 38)),
        "chad": ((0, 38, 100), (254, 203, 0), (198, 12, 48)),
        "belgium": (BLACK, (253, 218, 36), (239, 51, 64)),
    },
    {
        "germany": (BLACK, (221, 0, 0), (255, 206, 0)),
        "netherlands": ((174, 28, 40), WHITE, (33, 70, 139)),
        "russia": (WHITE, (0, 57, 166), (213, 43, 30)),
        "hungary": ((206, 41, 57), WHITE, (71, 112, 80)),
        "bulgaria": (WHITE, (0, 150, 110), (214, 38, 18)),
        "lithuania": ((253, 185, 19), (0, 106, 68), (193, 39, 45)),
        "luxembourg": ((239, 51, 64), WHITE, (0, 163, 224)),
    },
    {
        "sweden": ((0, 106, 167), (254, 204, 0)),
        "finland": (WHITE, (0, 53, 128)),
        "denmark": (RED, WHITE),
        "iceland": ((2, 82, 156), WHITE),
    },
)


def _flags(album: MadeAlbum) -> None:
    """Flags of one layout: three bars upright, three across, a cross; in sets behind the third in made-up colours."""
    layout, height = album.number % 3, album.rng.choice((200, 240, 300))
    width = height * 3 // 2
    for name, real in _FLAGS[layout].items():
        made: list[RGB] = [(album.rng.randrange(256), album.rng.randrange(256), album.rng.randrange(256)) for _ in real]
        colours = real if album.number < 3 else tuple(made)
        flag = Image.new("RGB", (width, height), colours[0])
        for at, colour in enumerate(colours):
            if layout == 0:
                flag.paste(colour, (at * width // 3, 0, (at + 1) * width // 3, height))
            elif layout == 1:
                flag.paste(colour, (0, at * height // 3, width, (at + 1) * height // 3))
            elif at:
                flag.paste(colour, (width * 5 // 16, 0, width * 7 // 16, height))
                flag.paste(colour, (0, height * 4 // 10, width, height * 6 // 10))
        album.show(f"{name}.png", flag)


def _lights(album: MadeAlbum) -> None:
    """A traffic light in one street, showing another colour."""
    street = album.pictures.take(480, 360)
    x, y = album.rng.randrange(60, 380), album.rng.randrange(40, 160)
    lit = {"stop": 0, "wait": 1, "go": 2, "off": -1}
    for name, on in lit.items():
        image = street.copy()
        pen = ImageDraw.Draw(image)
        side = round(44 * album.scale)
        pen.rectangle((x, y, x + side, y + 3 * side), fill=(30, 30, 30))
        for at, colour in enumerate(((230, 40, 30), (240, 180, 30), (40, 200, 80))):
            dim = tuple(value // 5 for value in colour)
            box = (x + 2, y + 2 + side * at, x + side - 2, y + side - 2 + side * at)
            pen.ellipse(box, fill=colour if at == on else dim)
        album.show(f"light-{name}.png", image)


def _heat_maps(album: MadeAlbum) -> None:
    """One field in other colour maps, and another field in one of them."""
    y, x = np.mgrid[0:240, 0:320]
    fields = [
        np.sin(x / 40 + album.rng.random() * 6) * np.cos(y / 35 + album.rng.random() * 6) / 2 + 0.5 for _ in range(2)
    ]
    maps = {
        "hot": np.array([[0, 0, 0], [200, 20, 0], [255, 180, 0], [255, 255, 255]]),
        "viridis": np.array([[68, 1, 84], [49, 104, 142], [53, 183, 121], [253, 231, 37]]),
        "cool": np.array([[0, 20, 60], [40, 100, 220], [120, 220, 250], [255, 255, 255]]),
    }
    for name, stops in maps.items():
        at = np.linspace(0, 1, len(stops))
        shown = np.stack([np.interp(fields[0], at, stops[:, band]) for band in range(3)], -1)
        album.show(f"field-{name}.png", Image.fromarray(shown.astype(np.uint8)))
    grey = (fields[1] * 255).astype(np.uint8)
    album.show("field-2.png", Image.fromarray(grey))


FAMILIES: dict[str, Draw] = {
    "repainted": _repainted,
    "charts-tinted": _tinted_charts,
    "charts-values": _other_values,
    "outlines": _outlines,
    "ramps": _ramps,
    "negatives": _negatives,
    "icon-sets": _icon_sets,
    "flags": _flags,
    "traffic-lights": _lights,
    "heat-maps": _heat_maps,
}
"""Family -> the function that writes one set of it."""
