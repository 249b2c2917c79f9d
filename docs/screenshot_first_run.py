"""From a server without a library to the first pictures, and what comes later: pictures for docs/screenshots.py."""

from __future__ import annotations

import random
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / "web" / name) for name in ("", "browser")]

import album  # noqa: E402
from gestures import until  # noqa: E402
from screenshot_states import DESKTOP, PHONE, Shot  # noqa: E402

SCENES, SIDE = 160, 320
TALL: dict[str, Any] = {"viewport": {"width": 960, "height": 1500}}
LATER = 3
PROGRESS = {"total": 160, "done": 64, "failed": 0, "images_per_s": 21.0, "seconds_left": 4.6}
Serving = Callable[..., AbstractContextManager[str]]


def _nothing(page: Any) -> None:
    """These are taken one after the other, by `take`."""


SHOTS = tuple(
    Shot(f"screenshots/{name}", _nothing)
    for name in (
        "welcome",
        "welcome-phone-dark",
        "folders-phone-dark",
        "first-pictures",
        "paused",
        "find-duplicates",
        "new-pictures",
    )
)


def take(studio: Any, serving: Serving) -> None:
    """All of a first run, or those that are wanted; a home folder with pictures is drawn for it."""
    home = studio.work / "home"
    if not (home / "Pictures").exists():
        album.draw_album(home / "Pictures", SCENES, side=SIDE)
    shutil.rmtree(home / "library", ignore_errors=True)
    with serving(home / "library", "--allow-folder", str(home), home=home) as url:
        _welcome(studio, url)
        if studio.of(SHOTS[3:]):
            _read(studio, url)
            _later(studio, url, home / "Pictures")


def _welcome(studio: Any, url: str) -> None:
    wanted = {shot.stem for shot in studio.of(SHOTS)}
    if "welcome" in wanted:
        with studio.page(url, TALL) as page:
            _choose(page)
            page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
            studio.take(page, "screenshots/welcome")
    if wanted & {"welcome-phone-dark", "folders-phone-dark"}:
        with studio.page(url, PHONE, "dark") as page:
            studio.take(page, "screenshots/welcome-phone-dark")
            page.click("#pick")
            page.click(".folders >> text=Pictures")
            until(page, "document.querySelector('#picker-title').textContent.endsWith('Pictures')")
            studio.take(page, "screenshots/folders-phone-dark")


def _choose(page: Any) -> None:
    """The small model and the folder; until the estimate stands."""
    page.check("[name=model][value=mini]")
    page.fill("#typed", "~/Pictures")
    page.press("#typed", "Enter")
    until(page, "document.querySelector('#takes').textContent.includes('takes about')")


def _read(studio: Any, url: str) -> None:
    """Begin, see the first pictures, and a pause; how far the run is said to be is made up, since it may end sooner."""
    told = {"state": "running", "progress": PROGRESS}

    def job(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(json=answer.json() | told)

    with studio.page(url, DESKTOP) as page:
        _choose(page)
        page.route(re.compile(r"/api/v1/jobs/\d+$"), job)
        page.route("**/api/v1/changes**", lambda route: route.fulfill(json={"newest": 0, "count": 0, "job": None}))
        page.click("#begin")
        page.wait_for_selector("#grid .tile", timeout=200_000)
        until(page, "document.querySelector('#pause')?.checkVisibility()")
        page.wait_for_load_state()
        studio.take(page, "screenshots/first-pictures")
        told["state"] = "paused"
        until(page, "document.querySelector('#resume')?.checkVisibility()")
        studio.take(page, "screenshots/paused")
        page.unroute(re.compile(r"/api/v1/jobs/\d+$"))
        page.goto(url.rstrip("/") + "/library")
        until(page, "document.querySelector('#start')?.checkVisibility()", 300)


def _later(studio: Any, url: str, pictures: Path) -> None:
    """A search for duplicates, then pictures that come while an answer is open."""
    with studio.page(f"{url.rstrip('/')}/duplicates", DESKTOP) as page:
        page.click("#start-find")
        until(page, "document.querySelector('#find-pace')?.textContent.includes(' of ') ?? true")
        studio.take(page, "screenshots/find-duplicates")
        until(page, "!document.querySelector('#stop-find')?.checkVisibility()", 300)
    rng = random.Random(5)
    for path in rng.sample(sorted(pictures.rglob("*.jpg")), LATER):
        path.with_stem(f"{path.stem} later").write_bytes(path.read_bytes() + b"\0")
    with studio.page(f"{url.rstrip('/')}/?q=type:jpg", DESKTOP) as page:
        until(page, "document.querySelector('.news')")
        with studio.page(f"{url.rstrip('/')}/library", DESKTOP) as other:
            other.click("#start")
            until(other, "document.querySelector('#run-says').textContent.startsWith('Done')", 300)
        page.bring_to_front()
        until(page, "document.querySelector('.news button')")
        studio.take(page, "screenshots/new-pictures")
    for path in pictures.rglob("* later.jpg"):
        path.unlink()
