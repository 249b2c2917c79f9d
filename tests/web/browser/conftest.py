"""Chromium, a real server over a drawn album, and pages that report every error and every request to another host.

Where Chromium is missing the tests are skipped, with CI=true they fail: `.ci/run` installs it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from . import album as drawn

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
).split()
PICTURES = 84
PATIENCE_MS = 60_000


@dataclass
class Site:
    """A running `imgsearch serve`."""

    url: str
    library: Path
    pictures: Path


@dataclass
class Watched:
    """What a page has said and asked for since it was opened; ``expected`` holds parts of errors that a test means to
    cause."""

    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def attach(self, page: Any, url: str) -> None:
        page.on("console", lambda told: told.type == "error" and self.errors.append(f"{told.text} {told.location}"))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda asked: self._asked(asked.url, url))

    def _asked(self, asked: str, url: str) -> None:
        if not asked.startswith((url, "data:", "blob:")):
            self.foreign.append(asked)

    def check(self) -> None:
        unexpected = [error for error in self.errors if not any(part in error for part in self.expected)]
        assert not unexpected, f"the console says {unexpected}"
        assert not self.foreign, f"asked of other hosts: {self.foreign}"


def _missing(what: str) -> None:
    text = f"{what} is missing: the pages were not looked at in a browser (.ci/run installs it)"
    if os.environ.get("CI") == "true":
        pytest.fail(text)
    pytest.skip(text)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("the Python package playwright")
    if not CHROMIUM.exists():
        _missing(str(CHROMIUM))
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture(scope="session")
def album(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Pictures and their library, served by nobody yet. Depends on the browser: without one nothing is drawn."""
    folder = tmp_path_factory.mktemp("album")
    drawn.draw_album(folder / "pictures", PICTURES, side=260)
    drawn.index_album(folder / "pictures", folder / "library")
    return Site("", folder / "library", folder / "pictures")


def serve(library: Path, pictures: Path) -> Iterator[Site]:
    """A server in a process of its own, on a free port, until the iterator goes on."""
    command = [sys.executable, "-m", "imgsearch", "serve", "--library", str(library), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert "http://" in line, f"imgsearch serve said {line!r}"
            yield Site(line.split()[-1].rstrip("/"), library, pictures)
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="session")
def site(album: Site) -> Iterator[Site]:
    yield from serve(album.library, album.pictures)


PASSWORD = "four words are enough"


@pytest.fixture(scope="session")
def strict_site(album: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Behind a password, and never sure of anything."""
    from imgsearch.library import save_calibration
    from imgsearch.search.calibration import Calibration
    from imgsearch.settings import load_settings

    library = tmp_path_factory.mktemp("strict") / "library"
    shutil.copytree(album.library, library)
    save_calibration(load_settings({"library": library}), Calibration(0.0, 0.0, 0.0, -1.0, 1e6))
    command = [sys.executable, "-m", "imgsearch", "serve", "--library", str(library), "--set-password"]
    subprocess.run(command, input=f"{PASSWORD}\n", text=True, check=True, capture_output=True)
    yield from serve(library, album.pictures)


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def open_page(browser: Any, site: Site, watched: Watched) -> Iterator[Callable[..., Any]]:
    """``open_page(path, url=..., **context)``: a page of a new browser context. What the console says and what other
    hosts are asked for is checked when the test ends."""
    contexts: list[Any] = []

    def opened(path: str = "/", url: str = site.url, **options: Any) -> Any:
        options.setdefault("viewport", {"width": 1280, "height": 800})
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        watched.attach(page, url)
        page.goto(url + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    watched.check()


@pytest.fixture
def page(open_page: Callable[..., Any]) -> Any:
    return open_page("/")
