"""What a catalog says of made-up images: dates, places, folders, types, sizes, cameras, ratings and tags as a family's
library of twenty-five years has them, by chance from an image's number.

Dates come in days of some dozen pictures, most of them late; a twentieth has none, a hundredth only a year. Two in five
have a place, near one of forty cities. Folders are ``2019/2019-07-14 Rome`` or a phone's ``DCIM``. Three in a hundred
images have a second file.
"""

from __future__ import annotations

import random

from imgsearch.records import MediaFacts, Word
from imgsearch.storage import FilePlace

CAMERAS = (
    *(f"Apple iPhone {model}" for model in ("4", "5s", "6", "7", "X", "11", "12 mini", "13", "14 Pro", "15")),
    *(f"Canon EOS {model}" for model in ("300D", "450D", "60D", "6D", "R6", "R5")),
    *(f"NIKON {model}" for model in ("D70", "D90", "D7100", "Z 6", "Z 50")),
    *(f"SONY {model}" for model in ("DSC-RX100", "ILCE-6000", "ILCE-7M3")),
    *(f"samsung SM-{model}" for model in ("G900F", "G930F", "G960F", "S911B")),
    *(f"Maker {number:02d}" for number in range(32)),
)
_KINDS = ("JPEG", "HEIF", "PNG", "CR2", "NEF", "WEBP", "TIFF", "GIF")
_KIND_WEIGHTS = (78, 12, 4, 2, 1.5, 1.5, 0.6, 0.4)
_SIZES = ((4032, 3024), (6000, 4000), (1600, 1200), (640, 480), (1920, 1080), (2048, 2048), (5472, 3648))
_PLACES = ("Rome", "Oslo", "Kyoto", "Lima", "Graz", "Porto", "Bergen", "Cairo", "Hanoi", "Quito")
_WORDS = ("beach", "family", "garden", "birthday", "snow", "Anna", "Otto", "dog", "new york", "sunset")
_CITIES = [
    (random.Random(f"city:{n}").uniform(-50, 65), random.Random(f"west:{n}").uniform(-120, 150)) for n in range(40)
]
A_DAY = 12
"""Pictures a day in which some are taken."""


def entry(number: int, root: int) -> tuple[MediaFacts, list[FilePlace], tuple[Word, ...]]:
    """What the catalog says of one image: its facts, its files, its words."""
    day, rng = random.Random(number // A_DAY), random.Random(number)
    year = 2001 + int(25 * day.random() ** 0.6)
    date = f"{year}-{day.randrange(1, 13):02d}-{day.randrange(1, 29):02d}"
    place, camera = day.choice(_PLACES), CAMERAS[int(len(CAMERAS) * day.random() ** 2)]
    located, north, east = day.random() < 0.4, *day.choice(_CITIES)
    wide, high = rng.choice(_SIZES) if rng.random() < 0.9 else (rng.randrange(100, 6000), rng.randrange(100, 6000))
    if rng.random() < 0.3:
        wide, high = high, wide
    known = rng.random()
    taken = (
        date[:4] if known < 0.01 else None if known < 0.05 else f"{date}T{rng.randrange(24):02d}:{number % 60:02d}:00"
    )
    rating = rng.choice((1, 2, 3, 4, 4, 5, 5, -1)) if rng.random() < 0.1 else None
    facts = MediaFacts(
        f"{number:064x}",
        number,
        wide,
        high,
        rng.choices(_KINDS, _KIND_WEIGHTS)[0],
        rng.randrange(20_000, 9_000_000),
        taken,
        camera if rng.random() < 0.9 else None,
        *((north + rng.gauss(0, 0.05), east + rng.gauss(0, 0.05)) if located else (None, None)),
        rating=rating,
    )
    folder = f"{year}/{date} {place}" if day.random() < 0.7 else f"phone/DCIM/{100 + number // 5000}APPLE"
    paths = [f"{folder}/IMG_{number:07d}.jpg", *([f"albums/best/{number}.jpg"] if rng.random() < 0.03 else [])]
    places = [FilePlace(root, path, facts.size_bytes, 1, *(() if taken else _by_name(rng, date))) for path in paths]
    words = tuple(Word("tag", word, "xmp") for word in rng.sample(_WORDS, 2)) if rng.random() < 0.06 else ()
    return facts, places, words


def _by_name(rng: random.Random, date: str) -> tuple[str, str] | tuple[()]:
    return (f"{date}T12:00:00", "name") if rng.random() < 0.4 else ()
