"""Take the pictures of docs/images and docs/screenshots: the pages over an album of drawn scenes, in Chromium.

    .venv/bin/python docs/screenshots.py [--only NAME ...] [--into FOLDER] [--work FOLDER]

Needs /usr/bin/chromium and the packages of the extra `dev`; takes some minutes, half of them for drawing. The states
are in screenshot_states.py, those of a first run in screenshot_first_run.py. Those with captions and answers are left
out where no small generator is installed.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "tests" / "web"), str(ROOT / "tests" / "web" / "browser")]

import album  # noqa: E402
import screenshot_first_run as first_run  # noqa: E402
import screenshot_states as states  # noqa: E402
from screenshot_states import Shot  # noqa: E402
from stand import ARGUMENTS, CHROMIUM  # noqa: E402

SCENES, SIDE = 96, 620
MOST_BYTES = 50_000  # of one picture
ALBUMS = (
    ("Holiday", 'folder:"Holiday 2023"', 14),
    ("At home in 2023", 'folder:"At home" year:2023', 9),
    ("Hearts", "a heart", 14),
)


@dataclass
class Studio:
    """Chromium, what of all pictures is ``wanted``, a ``work`` folder, and where the pictures go."""

    browser: Any
    wanted: frozenset[str]
    work: Path
    into: Path

    def of(self, shots: Iterable[Shot]) -> list[Shot]:
        """Those that are wanted."""
        return [shot for shot in shots if not self.wanted or shot.stem in self.wanted]

    def shoot(self, library: Path, shots: Iterable[Shot]) -> None:
        """Take pictures over a library."""
        wanted = self.of(shots)
        if not wanted:
            return
        with serving(library) as url:
            for shot in wanted:
                with self.page(url, shot.options, shot.scheme) as page:
                    shot.act(page)
                    page.wait_for_load_state("networkidle")
                    self.take(page, shot.name)

    @contextmanager
    def page(self, url: str, options: dict[str, Any], scheme: str = "light") -> Iterator[Any]:
        """A page of a browser without a past."""
        context = self.browser.new_context(color_scheme=scheme, reduced_motion="reduce", **options)
        context.set_default_timeout(120_000)
        page = context.new_page()
        page.goto(url)
        page.wait_for_load_state("networkidle")
        yield page
        context.close()

    def take(self, page: Any, name: str) -> None:
        """As WebP, small enough for a repository."""
        page.wait_for_timeout(300)
        path = self.into / f"{name}.webp"
        path.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(io.BytesIO(page.screenshot())) as picture:
            picture.thumbnail((1280, 1280))
            for quality in (80, 70, 60, 50):
                picture.convert("RGB").save(path, quality=quality, method=6)
                if path.stat().st_size <= MOST_BYTES:
                    break
        sys.stderr.write(f"{path} {path.stat().st_size / 1000:.0f} kB\n")


@contextmanager
def serving(library: Path, *more: str, home: Path | None = None) -> Iterator[str]:
    """`imgsearch serve`; its address."""
    command = [sys.executable, "-m", "imgsearch", "serve", "--library", str(library), "--port", "0", *more]
    environment = {**os.environ, "HOME": str(home)} if home else None
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split()[-1]
        finally:
            server.terminate()


def main() -> None:
    """All of them, or those that are named."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="such as map-dark; all otherwise")
    parser.add_argument("--into", type=Path, default=ROOT / "docs", help="the folder of images and screenshots")
    parser.add_argument("--work", type=Path, help="where the album is drawn and kept for the next time")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imgsearch-album-") as made, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        studio = Studio(browser, frozenset(arguments.only), arguments.work or Path(made), arguments.into)
        take_library(studio)
        take_copies(studio)
        if studio.of(first_run.SHOTS):
            first_run.take(studio, serving)
        browser.close()


def take_library(studio: Studio) -> None:
    """Over one album: each group changes its library for the next ones, so it is a copy."""
    pictures, indexed = studio.work / "Pictures", studio.work / "library"
    if not indexed.exists():
        album.draw_album(pictures, SCENES, side=SIDE)
        album.index_album(pictures, indexed)
    library = studio.work / "shown"
    shutil.rmtree(library, ignore_errors=True)
    shutil.copytree(indexed, library, symlinks=True)
    studio.shoot(library, states.SHOTS)
    if studio.of(states.WRITTEN) and captioned(library):
        studio.shoot(library, states.WRITTEN)
    travelled(library)
    studio.shoot(library, states.MAPS)
    if studio.of(states.COLLECTED):
        collected(library)
        studio.shoot(library, states.COLLECTED)
    if studio.of(states.UNSURE):
        never_sure(library)
        studio.shoot(library, states.UNSURE)
    if studio.of(states.LOST):
        with serving(library) as url, studio.page(url, states.DESKTOP) as page:
            lost = page.eval_on_selector(".tile", "(tile) => JSON.parse(tile.dataset.hit).name")
        path = next(pictures.rglob(lost))
        path.rename(aside := studio.work / path.name)
        studio.shoot(library, states.LOST)
        aside.rename(path)
    shutil.rmtree(library, ignore_errors=True)


def take_copies(studio: Studio) -> None:
    """Drawn pictures, copies of some of them, and the plan that find writes about these."""
    if not studio.of(states.COPIED):
        return
    with tempfile.TemporaryDirectory(dir=studio.work) as name:
        folder = Path(name)
        pictures, phone = folder / "Drawn", folder / "Drawn" / "Phone"
        album.draw_album(pictures, 24, side=SIDE)
        phone.mkdir()
        for number, path in enumerate(sorted(pictures.rglob("*.jpg"))[:9]):
            with Image.open(path) as picture:
                if number % 3 == 0:
                    (phone / f"{path.stem} copy.jpg").write_bytes(path.read_bytes())
                if number % 3 == 2:
                    ImageOps.mirror(picture).save(phone / f"{path.stem} mirrored.jpg", quality=85)
                if number % 3:
                    picture.resize((picture.width // 2, picture.height // 2)).save(phone / f"{path.stem} small.jpg")
        album.index_album(pictures, folder / "copied")
        command = [sys.executable, "-m", "imgsearch", "dedup", "find", "--library", str(folder / "copied"), "--quiet"]
        subprocess.run([*command, "--tiers", "bytes,pixels,perceptual"], check=True, stdout=subprocess.DEVNULL)
        studio.shoot(folder / "copied", states.COPIED)


def travelled(library: Path) -> None:
    """Give the pictures places as a family's have them: many at home, some of each journey, some without."""
    journeys = (
        (38.71, -9.14, 30),
        (48.86, 2.35, 16),
        (46.6, 8.0, 10),
        (41.15, -8.61, 8),
        (59.91, 10.75, 8),
        (41.9, 12.49, 8),
    )
    rng = random.Random(4)
    with sqlite3.connect(library / "catalog.db") as catalog:
        ids = [row[0] for row in catalog.execute("SELECT image_id FROM images ORDER BY image_id")]
        rng.shuffle(ids)
        for north, east, count in journeys:
            for image_id in ids[:count]:
                place = (north + rng.gauss(0, 0.05), east + rng.gauss(0, 0.07), image_id)
                catalog.execute("UPDATE images SET latitude = ?, longitude = ? WHERE image_id = ?", place)
            del ids[:count]


def captioned(library: Path) -> bool:
    """Write captions of the album, if the small generator is there."""
    from imgsearch.generation.sources import SHIPPED_FOLDER

    if not (ROOT / "data" / SHIPPED_FOLDER).is_dir():
        sys.stderr.write("no small generator: the pictures with captions and answers are left out\n")
        return False
    command = [sys.executable, "-m", "imgsearch", "caption", "--all", "--library", str(library), "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return True


def collected(library: Path) -> None:
    """Albums of what a person would look for, and favourites."""
    import imgsearch

    with imgsearch.open(library) as opened:
        for name, query, count in ALBUMS:
            opened.create_album(name, list(opened.search(query, k=count)))


def never_sure(library: Path) -> None:
    """Give the library a rule by which nothing matches with confidence."""
    from imgsearch.app import save_calibration
    from imgsearch.search.calibration import Calibration
    from imgsearch.settings import load_settings

    save_calibration(load_settings({"library": library}), Calibration(0.0, 0.0, 0.0, -1.0, 1e6))


if __name__ == "__main__":
    main()
