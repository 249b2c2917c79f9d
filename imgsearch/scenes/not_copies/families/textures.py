"""Images without a distinct object: stars, noise, fog, patterns. Each is another image."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from imgsearch.records import Float32
from imgsearch.scenes.look_alikes import FAMILIES as LOOK_ALIKES
from imgsearch.scenes.not_copies.album import Draw, MadeAlbum
from imgsearch.scenes.not_copies.families.forms import words


def _generator(album: MadeAlbum) -> np.random.Generator:
    return np.random.default_rng(album.rng.getrandbits(32))


def _picture(levels: Float32) -> Image.Image:
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def _stars(album: MadeAlbum, count: int = 260, size: tuple[int, int] = (640, 480)) -> Image.Image:
    sky = Image.new("RGB", size, (8, 9, 18))
    pen, rng = ImageDraw.Draw(sky), album.rng
    for _ in range(count):
        x, y, r, light = rng.uniform(0, size[0]), rng.uniform(0, size[1]), rng.choice((0.6, 0.8, 1, 1.6)), rng.random()
        level = round(90 + 165 * light)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=(level, level, min(255, level + 20)))
    return sky


def _night_skies(album: MadeAlbum) -> None:
    """Four skies of other stars, with the sensor's noise."""
    for number in range(4):
        noise = _generator(album).normal(0, 3, (480, 640, 3))
        sky = np.asarray(_stars(album), np.float32) + noise.astype(np.float32)
        album.show(f"DSC_{number + 4100}.jpg", _picture(sky), quality=90)


def _stars_and_forms(album: MadeAlbum) -> None:
    """A sky, a page of text as its negative, an empty form, a night street: dark with light points."""
    album.show("sky.png", _stars(album))
    page = Image.new("RGB", (640, 480), (10, 10, 14))
    for line in range(18):
        place = (40, 30 + 24 * line)
        ImageDraw.Draw(page).text(
            place, words(album.rng, 9)[:60], fill=(200, 200, 205), font=ImageFont.load_default(15)
        )
    album.show("terminal.png", page)
    street = Image.new("RGB", (640, 480), (12, 12, 16))
    for _ in range(60):
        x, y = album.rng.randrange(640), album.rng.randrange(200, 480)
        ImageDraw.Draw(street).ellipse((x, y, x + 6, y + 6), fill=(250, 210, 140))
    album.show("street.png", street)
    form = Image.new("RGB", (640, 480), (250, 250, 250))
    step = 24 + 5 * album.number
    for line in range(440 // step):
        ImageDraw.Draw(form).line((40, 40 + step * line, 600, 40 + step * line), fill=(60, 60, 60))
    album.show("form.png", form)


def _noise(album: MadeAlbum) -> None:
    """Grain: fine, coarse, coloured, each its own."""
    for number in range(5):
        step = (1, 2, 4, 8, 3)[number]
        grain = _generator(album).integers(0, 256, (480 // step, 640 // step, 3 if number % 2 else 1), np.uint8)
        image = Image.fromarray(grain.repeat(3, -1) if grain.shape[-1] == 1 else grain)
        album.show(f"grain-{number}.png", image.resize((640, 480), Image.Resampling.NEAREST), ("bytes", "container"))


def _gradients(album: MadeAlbum) -> None:
    """Smooth gradients of other colours and angles."""
    for number, image in enumerate(LOOK_ALIKES["gradients"](album.rng)):
        album.show(f"wallpaper-{number}.png", image, ("bytes", "container") if number % 2 else ("bytes", "half"))


def _fog(album: MadeAlbum) -> None:
    """Fog over one horizon: soft, pale, other veils."""
    for number in range(4):
        veil = Image.fromarray(_generator(album).integers(0, 256, (9, 12), np.uint8)).resize((640, 480), 3)
        soft = np.asarray(veil.filter(ImageFilter.GaussianBlur(25)), np.float32)[..., None]
        y = np.linspace(0, 1, 480, dtype=np.float32)[:, None, None]
        shown = 215 - 25 * y + (soft - 127) * 0.12 + np.array([0, 1, 3], np.float32)
        shown = shown + _generator(album).normal(0, 1.2, (480, 640, 1)).astype(np.float32)
        album.show(f"fog-{number}.jpg", _picture(shown.astype(np.float32)), ("bytes", "jpeg") if number % 2 else None)


def _skies(album: MadeAlbum) -> None:
    """Skies over one horizon with other clouds."""
    for number, image in enumerate(LOOK_ALIKES["skies"](album.rng)):
        album.show(f"sky-{number}.jpg", image)


def _patterns(album: MadeAlbum) -> None:
    """Tiles, stripes and checks of other widths and phases."""
    y, x = np.mgrid[0:360, 0:480]
    pitch = 9 + 7 * album.number
    drawn = {
        "checks": (x // pitch + y // pitch) % 2,
        "checks-wide": (x // (pitch + 3) + y // (pitch + 3)) % 2,
        "stripes": (x // pitch) % 2,
        "slanted": ((x + y) // pitch) % 2,
        "bricks": ((y % pitch < 2) | ((x + (y // pitch) % 2 * pitch) % (2 * pitch) < 2)).astype(int),
    }
    for name, levels in drawn.items():
        album.show(f"{name}.png", _picture((levels * 170 + 50).astype(np.float32)), ("bytes", "container"))


def _plain(album: MadeAlbum) -> None:
    """Plain colours a few levels apart."""
    base = [album.rng.randrange(30, 220) for _ in range(3)]
    for number in range(4):
        colour = (base[0] + 6 * number, base[1], base[2] - 5 * number)
        album.show(f"plain-{number}.png", Image.new("RGB", (320, 240), colour), ("bytes", "container"))


def _speckle(album: MadeAlbum) -> None:
    """Scans of an ultrasound: a fan of speckle in a black frame, each its own."""
    y, x = np.mgrid[0:480, 0:640]
    radius, angle = np.hypot(x - 320, y + 60), np.arctan2(x - 320, y + 60)
    fan = (radius > 110) & (radius < 500) & (np.abs(angle) < 0.6)
    for number in range(4):
        speckle = Image.fromarray(_generator(album).integers(0, 256, (120, 160), np.uint8)).resize((640, 480), 3)
        soft = Image.fromarray(_generator(album).integers(0, 256, (8, 10), np.uint8)).resize((640, 480), 3)
        levels = np.asarray(speckle, np.float32) * 0.4 * (np.asarray(soft, np.float32) / 160)
        album.show(f"us-{number:02d}.png", _picture(np.where(fan, levels + 20, 0).astype(np.float32)))


FAMILIES: dict[str, Draw] = {
    "night-skies": _night_skies,
    "stars-and-forms": _stars_and_forms,
    "noise": _noise,
    "gradients": _gradients,
    "fog": _fog,
    "clouds": _skies,
    "patterns": _patterns,
    "plain": _plain,
    "ultrasound": _speckle,
}
"""Family -> the function that writes one set of it."""
