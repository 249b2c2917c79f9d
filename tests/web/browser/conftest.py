"""Chromium, a real server over an album, and pages that report every error and every request to another host.

Where Chromium is missing the tests are skipped, with CI=true they fail: `.ci/run` installs it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from werkzeug.security import generate_password_hash

sys.path.insert(0, str(Path(__file__).parent))

from album import paint_album
from colour_shelf import SURE, ColourModel, index_pictures
from contexts import Contexts
from stand import ARGUMENTS, CHROMIUM, LIVELY, PASSWORD, PICTURES, Site, Watched, served

from imgsearch.storage import create_store
from web.config import WebConfig


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
    """Coloured pictures and their library. Depends on the browser: without one nothing is made."""
    folder = tmp_path_factory.mktemp("album")
    paint_album(folder / "photos", PICTURES)
    names = sorted(str(path.relative_to(folder / "photos")) for path in (folder / "photos").rglob("*.jpg"))
    model = ColourModel()
    with create_store(folder / "library", model.model_id) as store:
        index_pictures(store, folder / "photos", names)
    return Site("", folder / "library", folder / "photos")


@pytest.fixture(scope="session")
def site(album: Site) -> Iterator[Site]:
    """Open to this machine; without a calibration every list goes on to the end of the library."""
    with served(album.library, album.pictures, WebConfig(secret_key=b"k" * 32)) as site:
        yield site


@pytest.fixture(scope="session")
def strict_site(album: Site) -> Iterator[Site]:
    """Behind a password, and sure of what has the very colour alone."""
    config = WebConfig(secret_key=b"s" * 32, password_hash=generate_password_hash(PASSWORD))
    with served(album.library, album.pictures, config, calibration=SURE) as site:
        yield site


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    """The servers of one test. They stop after its pages are closed: an open page may still ask for its icon."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def contexts(browser: Any) -> Iterator[Contexts]:
    with Contexts(browser) as made:
        yield made


@pytest.fixture
def open_page(contexts: Contexts, site: Site, servers: ExitStack, watched: Watched) -> Iterator[Callable[..., Any]]:
    """``open_page(path, url=..., **context)``: a page of a browser context that no other page of the test has, and that
    knows nothing of earlier tests. Nothing glides in it unless it is given `LIVELY`. What the
    console says and what other hosts are asked for is checked when the test ends."""
    lent: list[Any] = []

    def opened(path: str = "/", url: str = site.url, **options: Any) -> Any:
        options.setdefault("viewport", {"width": 1280, "height": 800})
        options.setdefault("reduced_motion", "reduce")
        context = contexts.lend(url, options)
        lent.append(context)
        page = context.new_page()
        watched.attach(page, url)
        page.goto(url + path)
        return page

    yield opened
    for context in lent:
        contexts.take_back(context)
    watched.check()


@pytest.fixture
def page(open_page: Callable[..., Any]) -> Any:
    return open_page("/")


@pytest.fixture
def lively_page(open_page: Callable[..., Any]) -> Any:
    """One in which tiles glide and pictures fade."""
    return open_page("/", **LIVELY)
