"""Photo albums for the browser, in the shapes that cameras give, with dates, cameras, places and folders: coloured
pictures for a model that knows colours (colour_shelf.py), and drawn scenes for the one that ships."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

from colour_shelf import COLOURS
from PIL import Image

from imgsearch.scenes.draw import draw_scene
from imgsearch.scenes.graph import Domain, Scene, sample_scene

SHAPES = ((4, 3), (3, 2), (3, 4), (16, 9), (2, 3), (1, 1), (3, 2), (21, 9), (4, 5))
CAMERAS = ("Canon EOS R6", "Pixel 9", "NIKON Z 6", None)
FOLDERS = ("Garden 2022", "Holiday 2023", "Harbour 2024", "At home")
_EXIF, _GPS = 0x8769, 0x8825
_MAKE, _MODEL, _TAKEN = 0x010F, 0x0110, 0x9003


def paint_album(folder: Path, count: int, *, seed: int = 7) -> None:
    """``count`` JPEG files below ``folder``, each of one colour with a square in it, no two alike."""
    rng = random.Random(seed)
    for number in range(count):
        across, down = SHAPES[number % len(SHAPES)]
        name, tone = rng.choice(list(COLOURS.items()))
        tone = tuple(max(0, min(255, band + rng.randint(-28, 28))) for band in tone)
        scale = 20 if across > 9 else 60
        picture = Image.new("RGB", (scale * across, scale * down), tone)
        side, shade = rng.randint(20, 70), tuple(min(255, band + rng.randint(10, 60)) for band in tone)
        picture.paste(shade, (rng.randint(0, 50), rng.randint(0, 60), 60 + side, 60 + side))
        _save(picture, folder, f"{name} {2000 + number}.jpg", number, rng)


def draw_album(folder: Path, count: int, *, seed: int = 7, side: int = 560) -> list[Scene]:
    """``count`` JPEG files below ``folder``, each ``side`` pixels or so in size; the scenes that they show."""
    rng = random.Random(seed)
    scenes = [sample_scene(rng, Domain()) for _ in range(count)]
    for number, scene in enumerate(scenes):
        across, down = SHAPES[number % len(SHAPES)]
        scale = side / (across * down) ** 0.5
        drawn, _ = draw_scene(scene, side)
        picture = drawn.resize((round(across * scale), round(down * scale)), Image.Resampling.BICUBIC)
        _save(picture, folder, f"IMG_{2000 + number}.jpg", number, rng)
    return scenes


def _save(picture: Image.Image, folder: Path, name: str, number: int, rng: random.Random) -> None:
    place = folder / FOLDERS[number % len(FOLDERS)]
    place.mkdir(parents=True, exist_ok=True)
    picture.save(place / name, quality=88, exif=_exif(number, rng))


def _exif(number: int, rng: random.Random) -> Image.Exif:
    exif = Image.Exif()
    camera = rng.choice(CAMERAS)
    if camera:
        exif[_MAKE], exif[_MODEL] = camera.split()[0], camera
    year, month, day = rng.choice((2021, 2022, 2023, 2024)), rng.randint(1, 12), rng.randint(1, 28)
    exif.get_ifd(_EXIF)[_TAKEN] = f"{year}:{month:02d}:{day:02d} {rng.randint(7, 21):02d}:{rng.randint(0, 59):02d}:00"
    if number % 3 == 0:
        minutes = (rng.randint(0, 59), rng.randint(0, 59))
        exif.get_ifd(_GPS).update({1: "N", 2: (48.0, minutes[0], 0.0), 3: "E", 4: (2.0, minutes[1], 0.0)})
    return exif


def index_album(pictures: Path, library: Path) -> None:
    """Make a library of it with the small model that ships, in a process of its own: torch is large."""
    command = [sys.executable, "-m", "imgsearch", "index", str(pictures), "--library", str(library), "--model", "mini"]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=280)
