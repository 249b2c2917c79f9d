"""From a server without a library to the first pictures, by keys and by the mouse; and pictures that come later."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from album import draw_album
from gestures import boxes, search, shown_ids, until
from stand import Site
from test_everyone import check_with_axe

from imgsearch.settings import Settings
from web.config import WebConfig
from web.opening import Opening, ServerParts
from web.problems import refusal_of
from web.server import Server
from web.services.generation import GenerationService


@pytest.fixture
def new_site(browser: Any, servers: ExitStack, tmp_path: Path) -> Site:
    """A server without a library, in this process, and a home folder with six drawn pictures."""
    draw_album(tmp_path / "home" / "Pictures", 6, side=120)
    (tmp_path / "home" / "away").symlink_to("/etc")
    config = WebConfig(secret_key=b"k" * 32, folders=(str(tmp_path / "home"),))
    settings = Settings(library=tmp_path / "library", device="cpu")
    opening = Opening(ServerParts(settings, config, lambda _: GenerationService()))
    opening.begin()
    options: dict[str, Any] = {"threads": 8, "max_body_bytes": 1_000_000, "draining": opening.draining}
    server = Server(opening, "127.0.0.1", 0, refusing=refusal_of(opening.app), **options)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    servers.callback(opening.close)
    servers.callback(thread.join, 20)
    servers.callback(server.stop)
    return Site(f"http://127.0.0.1:{server.address[1]}", tmp_path / "library", tmp_path / "home" / "Pictures")


@pytest.mark.slow
def test_from_nothing_to_pictures_that_are_found(open_page: Callable[..., Any], new_site: Site) -> None:
    page = open_page("/timeline", url=new_site.url, viewport={"width": 390, "height": 800})
    assert page.url == f"{new_site.url}/" and page.inner_text("h1") == "Welcome"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.focus("#pick")
    page.keyboard.press("Enter")
    until(page, "document.activeElement.textContent === 'Pictures'")
    assert page.inner_text(".picker [role=status]").endswith("1 link to other places is left out.")
    assert page.evaluate("document.querySelector('.picker').scrollWidth") <= 390
    check_with_axe(page)
    page.keyboard.press("ArrowRight")
    until(page, f"document.querySelector('#picker-title').textContent === {str(new_site.pictures)!r}")
    page.keyboard.press("ArrowLeft")
    until(page, "document.activeElement.textContent === 'Pictures'")
    page.keyboard.press("Enter")
    until(page, f"document.querySelector('#picker-title').textContent === {str(new_site.pictures)!r}")
    page.click("text=Choose this folder")
    page.set_viewport_size({"width": 1280, "height": 800})
    until(page, "document.querySelector('#takes').textContent.startsWith('6 pictures, ')")
    assert "by its processor's speed" in page.inner_text("#takes")  # the model is not here: no picture was timed
    assert page.inner_text("#why-not") == "Fetch the model first." and page.is_disabled("#begin")
    check_with_axe(page)
    page.check("[name=model][value=mini]")
    page.focus("#begin")
    page.keyboard.press("Enter")
    page.wait_for_selector("#grid", state="attached", timeout=200_000)
    until(page, "document.querySelectorAll('.tile').length === 6")
    until(page, "document.querySelector('#run-says')?.textContent === 'Done: 6 pictures added.'")
    _later(page, new_site)


def _later(page: Any, site: Site) -> None:
    """Two more pictures and one that is none, through a folder of its own, added on the library's page."""
    later = site.pictures.parent / "Latecomers"
    later.mkdir()
    for path in sorted(site.pictures.rglob("*.jpg"))[:2]:
        shutil.copy(path, later / path.name)
        (later / path.name).write_bytes(path.read_bytes() + b"\0")
    (later / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    page.click("text=Library")
    page.click("#add-folder")
    page.click(".folders >> text=Latecomers")
    until(page, f"document.querySelector('#picker-title').textContent === {str(later)!r}")
    page.click("text=Choose this folder")
    page.wait_for_selector("#stop", state="visible")
    until(page, "document.querySelector('#run-says').textContent.startsWith('Done')", 200)
    assert "2 pictures added, 1 could not be read" in page.inner_text("#run-says")
    until(page, "document.querySelector('[data-count=images]').textContent === '8'")
    until(page, "document.querySelector('#failures').textContent.includes('broken.jpg')")
    assert "Latecomers" in page.inner_text("#roots")
    page.click("a.brand")
    page.wait_for_url(f"{site.url}/")
    search(page, "folder:Latecomers")
    assert len(shown_ids(page)) == 2


def _same(now: list[dict[str, float]], before: list[dict[str, float]]) -> bool:
    """Whether tiles stand where they stood; less than half a pixel is the rounding of a row."""
    pairs = zip(now, before, strict=True)
    return all(abs(one[name] - other[name]) < 0.5 for one, other in pairs for name in other)


LOOK = "document.dispatchEvent(new Event('run-over'))"


def test_new_pictures_come_into_an_open_page_and_nothing_moves(
    open_page: Callable[..., Any], servers: ExitStack, tmp_path: Path
) -> None:
    from album import paint_album
    from colour_shelf import ColourModel, index_pictures, paint
    from stand import served

    from imgsearch.storage import create_store
    from imgsearch.storage.collecting import Collecting

    store = servers.enter_context(create_store(tmp_path / "library", ColourModel().model_id))
    site = servers.enter_context(served(tmp_path / "library", tmp_path / "photos", WebConfig(secret_key=b"k" * 32)))
    painted = iter(range(1, 99))

    def add(*names: str) -> None:
        for name in names:
            paint(tmp_path / "photos" / name, next(painted))
        index_pictures(store, tmp_path / "photos", names)

    def look(expression: str) -> None:
        page.evaluate(LOOK)
        until(page, expression)

    page = open_page("/", url=site.url)
    until(page, "document.querySelector('.news')")
    add("red one.jpg", "red two.jpg", "blue three.png")
    look("document.querySelectorAll('.tile').length === 3 && document.querySelector('#nothing').hidden")
    before = boxes(page)
    add("green four.jpg")
    look("document.querySelectorAll('.tile').length === 4")
    assert _same(boxes(page)[:3], before) and not page.query_selector(".news button")

    page.goto(f"{site.url}/?q=type:jpeg")
    until(page, "document.querySelector('.news')")
    before = boxes(page)
    add("red five.jpg", "blue six.png")
    look("document.querySelector('.news button')?.textContent === '1 new picture'")
    assert _same(boxes(page), before)
    check_with_axe(page)
    page.keyboard.press("n")
    until(page, "document.querySelectorAll('.tile').length === 4 && !document.querySelector('.news button')")

    search(page, "red star")
    add("red seven.jpg")
    look("document.querySelector('.news button')?.textContent === '1 new picture: search again'")
    page.click(".news button")
    until(page, "[...document.querySelectorAll('.tile')].length === 7")

    page.goto(f"{site.url}/timeline")
    until(page, "document.querySelector('.news') && document.querySelectorAll('#timeline a').length === 7")
    add("red eight.jpg")
    look("document.querySelector('.news button')?.textContent === '1 new picture'")
    page.click(".news button")
    until(page, "document.querySelectorAll('#timeline a').length === 8")
    assert page.inner_text("#status").startswith("8 pictures")

    page.goto(f"{site.url}/albums")
    until(page, "document.querySelector('.news')")
    Collecting(store).create("Reds", [1, 2])
    add("blue nine.jpg")
    look("document.querySelector('.news button')?.textContent === '1 new picture'")
    assert page.inner_text(".albums .named").split("\n") == ["Reds", "2 pictures"]
    page.click(".news button")
    page.wait_for_url(f"{site.url}/")

    page.goto(f"{site.url}/map")
    until(page, "document.querySelector('.news')")
    assert page.is_hidden("#atlas")
    paint_album(tmp_path / "photos", 1)  # with a place
    names = [str(path.relative_to(tmp_path / "photos")) for path in (tmp_path / "photos").glob("*/*.jpg")]
    index_pictures(store, tmp_path / "photos", names)
    page.evaluate(LOOK)
    until(page, "document.querySelector('#map')?.ariaBusy === 'false' && document.querySelector('.pin')")
    until(page, "document.querySelector('.news')")
    where = page.url
    place = store.images([10])[10].facts
    add("green eleven.jpg")
    with store.catalog.note() as catalog:
        catalog.execute(
            "UPDATE images SET latitude = ?, longitude = ? WHERE image_id = 11", (place.latitude, place.longitude)
        )
    look("document.querySelector('#listed .count')?.textContent === '2'")
    assert page.url == where and not page.query_selector(".news button")
