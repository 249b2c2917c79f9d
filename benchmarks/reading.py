"""Words of drawn screenshots, receipts and signs that a search finds after `imgsearch read`, and what reading costs.

    python benchmarks/reading.py [--pictures 200] [--seed 11] [--quick]

A third each: screenshots of 1280 x 800 with letters of 13 to 30 pixels, light and dark; receipts, turned by up to five
degrees, on noisy paper; signs of some words on a photographed ground, turned and blurred. The words are everyday ones,
names with accents, numbers, amounts, dates and addresses. A word counts as found if ``text:"word"`` finds its picture.
Fonts are those of DejaVu and Inter where they are installed, else Pillow's own.

Reading and indexing (model mini) are compared by CPU time, workers included, which other programs of the machine hardly
change.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from index import cpu_seconds, index_rate
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from results import add_flags, markdown_table, write_section, writes

GOAL = 0.95
_FOLDERS = ("/usr/share/fonts/truetype/dejavu", "/usr/share/fonts/opentype/inter", "/usr/share/fonts/dejavu")
_FACES = (
    *("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf", "DejaVuSansCondensed.ttf"),
    *("Inter-Regular.otf", "Inter-Medium.otf", "Inter-SemiBold.otf"),
)
_EVERYDAY = """
invoice total amount customer receipt account balance payment order delivery address network settings
battery bluetooth display storage update password message calendar meeting station exit platform ticket library museum
kitchen bakery pharmacy bridge harbour market garden hospital school closed open parking danger entrance caution bread
butter cheese apples coffee paint screws hammer paper pencil notebook screen printer keyboard window folder document
report summary quarter revenue increase project deadline review Monday Thursday September November Zürich München café
Málaga Škoda Łódź Kraków crème brûlée señor Ångström København
"""
_WORDS = _EVERYDAY.split()


def fonts() -> Callable[[random.Random, int], Any]:
    """Draws a font of a size."""
    paths = [Path(folder) / face for folder in _FOLDERS for face in _FACES]
    there = [path for path in paths if path.is_file()]

    def font(dice: random.Random, size: int) -> Any:
        return ImageFont.truetype(dice.choice(there), size) if there else ImageFont.load_default(size)

    return font


def word(dice: random.Random) -> str:
    kind = dice.random()
    if kind < 0.62:
        return dice.choice(_WORDS)
    if kind < 0.72:
        return dice.choice(_WORDS).capitalize()
    if kind < 0.82:
        return f"{dice.randrange(1, 2000)}.{dice.randrange(100):02d}"
    if kind < 0.9:
        return str(dice.randrange(10, 100_000))
    if kind < 0.96:
        return f"{dice.randrange(1, 29):02d}.{dice.randrange(1, 13):02d}.20{dice.randrange(10, 27)}"
    return f"{dice.choice(('info', 'shop', 'mail'))}@example{dice.randrange(10, 99)}.com"


Drawn = tuple[Image.Image, list[str]]


def screenshot(dice: random.Random, font: Callable[..., Any]) -> Drawn:
    dark = dice.random() < 0.4
    paper, ink = ((28, 30, 34), (225, 226, 230)) if dark else ((250, 250, 250), (32, 33, 36))
    image = Image.new("RGB", (1280, 800), paper)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, 1280, 48), fill=(45, 90, 160))
    words: list[str] = []
    top = 70
    while top < 740 and len(words) < 40:
        size = dice.choice((13, 14, 15, 16, 18, 22, 30))
        line = [word(dice) for _ in range(dice.randrange(1, 6))]
        face = font(dice, size)
        left = dice.choice((40, 40, 300))
        if pen.textlength(" ".join(line), font=face) < 1240 - left:
            pen.text((left, top), " ".join(line), font=face, fill=ink)
            words += line
        top += int(size * dice.uniform(1.5, 2.6))
    return image, words


def receipt(dice: random.Random, font: Callable[..., Any]) -> Drawn:
    image = Image.new("RGB", (700, 1000), (246, 244, 238))
    pen = ImageDraw.Draw(image)
    face = font(dice, dice.choice((20, 22, 24, 26)))
    words: list[str] = []
    for row in range(dice.randrange(8, 15)):
        line = [word(dice) for _ in range(dice.randrange(1, 3))]
        price = f"{dice.randrange(1, 300)}.{dice.randrange(100):02d}"
        top = 50 + 60 * row
        pen.text((50, top), " ".join(line), font=face, fill=(40, 40, 44))
        words += line
        if pen.textlength(" ".join(line), font=face) < 440:
            pen.text((650 - pen.textlength(price, font=face), top), price, font=face, fill=(40, 40, 44))
            words.append(price)
    noise = np.random.default_rng(dice.randrange(1 << 30)).normal(0, 6, (1000, 700, 1))
    paper = Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))
    return paper.rotate(dice.uniform(-5, 5), Image.Resampling.BICUBIC, expand=True, fillcolor=(96, 74, 58)), words


def sign(dice: random.Random, font: Callable[..., Any]) -> Drawn:
    rng = np.random.default_rng(dice.randrange(1 << 30))
    ground = Image.fromarray(rng.integers(40, 200, (12, 16, 3), dtype=np.uint8)).resize(
        (1024, 768), Image.Resampling.BICUBIC
    )
    colours = [((20, 60, 130), (245, 245, 245)), ((240, 200, 40), (20, 20, 20)), ((245, 245, 245), (150, 20, 20))]
    plate, ink = dice.choice(colours)
    lines = [[word(dice) for _ in range(dice.randrange(1, 3))] for _ in range(dice.randrange(1, 4))]
    size = dice.choice((30, 40, 56))
    face = font(dice, size)
    wide = max(face.getlength(" ".join(line)) for line in lines)
    board = Image.new("RGBA", (int(wide) + 2 * size, int(1.7 * size * len(lines)) + size), (*plate, 255))
    pen = ImageDraw.Draw(board)
    for place, line in enumerate(lines):
        pen.text((size, size // 2 + 1.7 * size * place), " ".join(line), font=face, fill=ink)
    board.thumbnail((980, 700))
    board = board.rotate(dice.uniform(-12, 12), Image.Resampling.BICUBIC, expand=True)
    board.thumbnail((1024, 768))
    at = dice.randrange(1025 - board.width), dice.randrange(769 - board.height)
    ground.paste(board, at, board)
    return ground.filter(ImageFilter.GaussianBlur(dice.uniform(0, 1.0))), [each for line in lines for each in line]


KINDS = {"screenshots": screenshot, "receipts": receipt, "signs": sign}


def draw(folder: Path, count: int, seed: int) -> Iterator[tuple[str, str, list[str]]]:
    """Save the pictures -> (kind, file name, words) of each."""
    font = fonts()
    for number in range(count):
        kind = list(KINDS)[number % len(KINDS)]
        image, words = KINDS[kind](random.Random(seed * 1000 + number), font)
        name = f"{kind}-{number:03d}.png"
        image.save(folder / name)
        yield kind, name, words


def found_shares(store: Any, drawn: list[tuple[str, str, list[str]]]) -> dict[str, tuple[int, int]]:
    """Kind -> (words found, words)."""
    from imgsearch.records import Clause, Filters

    hits: dict[str, set[int]] = {}
    for each in {each for _, _, words in drawn for each in words}:
        hits[each] = set(store.matching_images(Filters((Clause("text", each),))).tolist())
    counts = dict.fromkeys(KINDS, (0, 0))
    for kind, name, words in drawn:
        (image_id,) = store.matching_images(Filters((Clause("name", f"{name}"),))).tolist()
        right = sum(image_id in hits[each] for each in words)
        counts[kind] = counts[kind][0] + right, counts[kind][1] + len(words)
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=0)
    parser.set_defaults(model="mini", device="cpu", dtype="auto")
    add_flags(parser)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.pictures = 9

    from imgsearch.model import load_model
    from imgsearch.reading.engine import RapidEngine
    from imgsearch.reading.pages import library_pages
    from imgsearch.reading.reader import ImageReader
    from imgsearch.reading.run import ReadingSummary, TextReading
    from imgsearch.storage import open_store

    with tempfile.TemporaryDirectory() as name:
        photos, library = Path(name) / "photos", Path(name) / "library"
        photos.mkdir()
        drawn = list(draw(photos, arguments.pictures, arguments.seed))
        model = load_model("mini", device="cpu")
        before = cpu_seconds()
        index_rate(model, photos, library, len(drawn), arguments)
        index_cpu = (cpu_seconds() - before) / len(drawn)
        with open_store(library) as store:
            reading = TextReading(ImageReader(RapidEngine()), store)
            summary = ReadingSummary()
            before, started = cpu_seconds(), time.perf_counter()
            for batch in reading.run(library_pages(store, reading.waiting(store))):
                summary.add(batch)
            read_cpu, seconds = (cpu_seconds() - before) / len(drawn), time.perf_counter() - started
            counts = found_shares(store, drawn)
    total = tuple(sum(each) for each in zip(*counts.values(), strict=True))
    rows = [(kind, str(words), f"{100 * right / words:.1f} %") for kind, (right, words) in counts.items()]
    share = total[0] / total[1]
    lines = markdown_table(
        ("pictures", "words", "found by search"), [*rows, ("all", str(total[1]), f"{100 * share:.1f} %")]
    )
    rates = f"{1 / read_cpu:.2f} and {1 / index_cpu:.2f} images a second and core"
    lines += [
        "",
        f"{len(drawn)} pictures, seed {arguments.seed}; goal {100 * GOAL:.0f} %. A picture takes {read_cpu:.2f} s of a",
        f"core to read, {index_cpu:.2f} s to index with the model mini: {rates}.",
        f"By the clock it was {len(drawn) / seconds:.2f} images a second, beside other programs.",
    ]
    print("\n".join(lines))
    if writes(arguments):
        write_section("Words read in pictures (benchmarks/reading.py)", lines)
    return 0 if share >= GOAL or arguments.quick else 1


if __name__ == "__main__":
    raise SystemExit(main())
