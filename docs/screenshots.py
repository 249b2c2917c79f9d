"""Take the pictures of docs/images: the pages over an album of drawn scenes, in Chromium.

    .venv/bin/python docs/screenshots.py [FOLDER]

Needs /usr/bin/chromium and the packages of the extra `dev`; takes two minutes, most of it for the album. Those with
captions and answers are left out where no small generator is installed.
"""

from __future__ import annotations

import io
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "web"), str(ROOT / "tests" / "web" / "browser")]

import album  # noqa: E402
from gestures import open_first, search, until, wait_for_answer  # noqa: E402
from stand import ARGUMENTS, CHROMIUM  # noqa: E402

QUERY = "two orange fish over a blue heart in the desert"
NOTHING = "a submarine in a supermarket"
DESKTOP = {"viewport": {"width": 1440, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
Shot = tuple[str, dict[str, Any], str, Callable[[Any], None]]


def _search(page: Any) -> None:
    search(page, QUERY)
    page.click("text=Show less sure ones too")
    wait_for_answer(page)
    page.evaluate("document.activeElement.blur()")


def _filter(page: Any) -> None:
    search(page, "blue hearts")
    page.click("text=Year")
    page.click("#menu-years button >> nth=1")
    wait_for_answer(page)
    page.click("text=Folder")
    page.wait_for_selector("#menu-folders button")


def _lightbox(page: Any) -> None:
    _search(page)
    open_first(page)
    if page.viewport_size["width"] < 700:
        page.click("[data-do=info]")
    page.wait_for_selector(".words button")
    page.click(".words >> text=heart")
    page.wait_for_timeout(500)


def _asked(page: Any) -> None:
    """A picture with its caption, and two questions answered."""
    search(page, "a blue heart")
    open_first(page)
    for number, question in enumerate(("what colour is the heart?", "is there a fish?"), 1):
        page.fill(".ask input", question)
        page.press(".ask input", "Enter")
        until(page, f"document.querySelectorAll('.ask .answer:not(.waiting)').length === {number}")
    page.evaluate("document.activeElement.blur()")


def _library(page: Any) -> None:
    page.goto(page.url.rstrip("/") + "/library")


def _nothing(page: Any) -> None:
    search(page, NOTHING)
    until(page, "document.querySelectorAll('.tile').length > 0")


def _duplicates(page: Any) -> None:
    page.goto(page.url.rstrip("/") + "/duplicates")
    page.keyboard.press("j")
    page.keyboard.press("a")
    page.wait_for_selector("#tray:not([hidden])")
    page.wait_for_timeout(1000)
    while page.locator(".twins.at [data-do=differ]").count() < 2:
        page.keyboard.press("j")
    page.click(".twins.at [data-do=differ] >> nth=1")
    page.wait_for_selector("canvas")


def _newest(page: Any) -> None:
    page.mouse.move(0, 0)


def _map_at(place: str) -> Callable[[Any], None]:
    """The map of places, where ``place`` says (degrees north, degrees east, zoom)."""

    def show(page: Any) -> None:
        page.goto(f"{page.url.rstrip('/')}/map?at={place}")
        until(page, "document.querySelector('#map').ariaBusy === 'false'")
        page.wait_for_load_state("networkidle")

    return show


def _place(page: Any) -> None:
    """The pictures of one place on the map."""
    _map_at("44.5,1.5,4.3")(page)
    page.click("#listed a >> nth=0")
    until(page, "document.querySelector('#map').ariaBusy === 'false' && document.querySelector('.tray img')")
    page.evaluate("document.activeElement.blur()")


SHOTS: tuple[Shot, ...] = (
    ("newest-light", DESKTOP, "light", _newest),
    ("search-light", DESKTOP, "light", _search),
    ("search-dark", DESKTOP, "dark", _search),
    ("filter-light", DESKTOP, "light", _filter),
    ("search-phone-light", PHONE, "light", _search),
    ("search-phone-dark", PHONE, "dark", _search),
    ("lightbox", DESKTOP, "light", _lightbox),
    ("lightbox-phone", PHONE, "dark", _lightbox),
    ("library-light", DESKTOP, "light", _library),
    ("library-dark", DESKTOP, "dark", _library),
)

WRITTEN: tuple[Shot, ...] = (
    ("ask", DESKTOP, "light", _asked),
    ("ask-phone", PHONE, "dark", _asked),
)

MAPS: tuple[Shot, ...] = (
    ("map-light", DESKTOP, "light", _map_at("44.5,6,4.3")),
    ("map-dark", DESKTOP, "dark", _place),
    ("map-phone", PHONE, "light", _map_at("44.5,4,3.6")),
)

COPIED: tuple[Shot, ...] = (
    ("duplicates-light", DESKTOP, "light", _duplicates),
    ("duplicates-dark", PHONE, "dark", _duplicates),
)


def main(folder: Path) -> None:
    """All of them into ``folder``, as WebP."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="imgsearch-album-") as made, sync_playwright() as playwright:
        pictures, library = Path(made) / "Pictures", Path(made) / "library"
        album.draw_album(pictures, 96, side=620)
        album.index_album(pictures, library)
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        _shoot(browser, folder, library, SHOTS)
        if _captioned(library):
            _shoot(browser, folder, library, WRITTEN)
        travelled(library)
        _shoot(browser, folder, library, MAPS)
        _never_sure(library)
        _shoot(browser, folder, library, (("nothing-light", DESKTOP, "light", _nothing),))
        _copied(Path(made))
        _shoot(browser, folder, Path(made) / "copied", COPIED)
        browser.close()


def _shoot(browser: Any, folder: Path, library: Path, shots: tuple[Shot, ...]) -> None:
    command = [sys.executable, "-m", "imgsearch", "serve", "--library", str(library), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        for name, options, scheme, act in shots:
            context = browser.new_context(color_scheme=scheme, reduced_motion="reduce", **options)
            context.set_default_timeout(120_000)
            page = context.new_page()
            page.goto(url)
            page.wait_for_load_state("networkidle")
            act(page)
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(300)
            _save(page.screenshot(), folder / f"{name}.webp")
            context.close()
        server.terminate()


def _save(png: bytes, path: Path) -> None:
    """As WebP, small enough for a repository."""
    with Image.open(io.BytesIO(png)) as picture:
        picture.thumbnail((1280, 1280))
        picture.convert("RGB").save(path, quality=82, method=6)


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


def _captioned(library: Path) -> bool:
    """Write captions of the album, if the small generator is there."""
    from imgsearch.generation.sources import SHIPPED_FOLDER

    if not (ROOT / "data" / SHIPPED_FOLDER).is_dir():
        sys.stderr.write("no small generator: the pictures with captions and answers are left out\n")
        return False
    command = [sys.executable, "-m", "imgsearch", "caption", "--all", "--library", str(library), "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return True


def _copied(folder: Path) -> None:
    """Drawn pictures, copies of some of them, and the plan that find writes about these."""
    pictures, phone = folder / "Drawn", folder / "Drawn" / "Phone"
    album.draw_album(pictures, 24, side=620)
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


def _never_sure(library: Path) -> None:
    """Give the library a rule by which nothing matches with confidence."""
    from imgsearch.app import save_calibration
    from imgsearch.search.calibration import Calibration
    from imgsearch.settings import load_settings

    save_calibration(load_settings({"library": library}), Calibration(0.0, 0.0, 0.0, -1.0, 1e6))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images")
