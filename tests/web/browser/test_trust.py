"""What a page is relied on for: it asks again, says what is wrong in words, and shows nothing as found that is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from colour_shelf import SURE, build
from gestures import open_first, search, shown_ids, until, wait_for_answer
from stand import Site, Watched, served

from web.config import WebConfig

STREAM = "**/search/stream**"
CONFIG = WebConfig(secret_key=b"t" * 32)


@pytest.fixture(scope="module")
def sure_site(album: Site) -> Iterator[Site]:
    """A library with a calibration, open to everybody."""
    with served(album.library, album.pictures, CONFIG, calibration=SURE) as site:
        yield site


def test_a_search_that_failed_goes_on(page: Any, watched: Watched) -> None:
    watched.expected += ["net::ERR", "MIME type"]
    page.route("**/api/v1/search**", lambda route: route.abort())
    page.route("**/healthz", lambda route: route.abort())
    page.fill("#q", "red above green")
    page.press("#q", "Enter")
    page.wait_for_selector("#again")
    assert "server does not answer" in page.inner_text("#nothing h2").lower()
    assert "imgsearch serve" not in page.inner_text("main") and not shown_ids(page)
    page.press("#q", "Enter")  # the same words
    page.wait_for_selector("#again")
    page.unroute("**/api/v1/search**")
    page.press("#q", "Enter")
    wait_for_answer(page)
    until(page, "document.querySelectorAll('.tile').length > 0")
    assert page.is_hidden("#nothing")
    page.route("**/api/v1/search**", lambda route: route.fulfill(body="Log in", content_type="text/html"))
    search_that_fails(page, "yellow")  # a proxy's own page
    assert "place of the server" in page.inner_text("#nothing h2") and not page.inner_text("#status")
    page.unroute("**/api/v1/search**")
    page.route("**/api/v1/search**", lambda route: route.abort())
    search_that_fails(page, "blue")
    page.unroute("**/api/v1/search**")
    page.click("#again")
    until(page, "document.querySelectorAll('.tile').length > 0")
    page.route("**/api/v1/search**", lambda route: route.abort())
    search_that_fails(page, "green")
    page.unroute("**/api/v1/search**")
    page.unroute("**/healthz")  # the server is back: nobody has to do anything
    until(page, "document.querySelectorAll('.tile').length > 0")


def search_that_fails(page: Any, words: str) -> None:
    page.fill("#q", words)
    page.press("#q", "Enter")
    page.wait_for_selector("#again")


def test_enter_asks_again_for_the_same_words(page: Any) -> None:
    search(page, "red")
    with page.expect_request(STREAM):
        page.press("#q", "Enter")
    wait_for_answer(page)
    assert shown_ids(page)


def test_a_first_look_shows_what_is_being_read_and_settles(
    open_page: Callable[..., Any], sure_site: Site, watched: Watched
) -> None:
    page = open_page("/", sure_site.url)
    answers = page.evaluate("async () => (await fetch('/api/v1/search/stream?q=red&limit=60')).text()")
    first, last = (json.loads(part.split("data: ")[1]) for part in answers.strip().split("\n\n"))
    assert first["judged"] and not first["settled"] and not first["complete"] and len(first["hits"]) == 16
    assert last["judged"] and last["settled"] and len(last["hits"]) < 60
    read = {hit["image_id"] for hit in first["hits"]}
    one = {
        **last,
        "hits": [hit for hit in last["hits"] if hit["image_id"] in read][3:4],
        "next_cursor": None,
        "total": 1,
    }
    held: list[Any] = []
    page.route(STREAM, lambda route: route.fulfill(body=event("itc", first), content_type="text/event-stream"))
    page.route(
        "**/api/v1/search?**", lambda route: held.append(route)
    )  # what the page asks for when the stream breaks off
    page.fill("#q", "red")
    page.press("#q", "Enter")
    page.wait_for_selector(".grid.unread")
    assert len(shown_ids(page)) == 16 and "16 likeliest" in page.inner_text("#status")
    assert page.eval_on_selector(".tile a", "(tile) => Number(getComputedStyle(tile).opacity)") < 1
    assert page.is_hidden("#nothing") and page.is_hidden("#rest") and page.is_hidden("#more")
    page.evaluate(
        """() => {
          window.shift = 0;
          const seen = (one) => (window.shift += one.hadRecentInput ? 0 : one.value);
          const add = (list) => list.getEntries().forEach(seen);
          new PerformanceObserver(add).observe({ type: 'layout-shift' });
        }"""
    )
    page.wait_for_timeout(550)  # what follows input within half a second does not count as a shift
    held[0].fulfill(body=json.dumps(one), content_type="application/json")
    until(page, "document.querySelectorAll('.tile').length === 1")
    assert page.is_visible("#rest") and not page.locator(".grid.unread").count()
    until(page, "!document.querySelector('.ghost')")
    assert page.evaluate("window.shift") < 0.05


def event(kind: str, data: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"


def test_headings_and_errors_are_in_words_and_dead_ends_lead_on(page: Any, watched: Watched) -> None:
    watched.expected += ["400", "404"]
    name = page.eval_on_selector(".tile", "(tile) => JSON.parse(tile.dataset.hit).name")
    first = shown_ids(page)[0]
    search(page, f"similar:{first}")
    assert page.inner_text("#title") == f"Pictures like {name}" == page.title().removesuffix(" - imgsearch")
    for query, heading in (
        ("similar:99999", "The picture that this compares with is not in the library any more"),
        ("similar:/etc/passwd", "A picture to compare with is named by its number here, not a path"),
    ):
        told = f"document.querySelector('#nothing h2').textContent.toLowerCase() === {json.dumps(heading.lower())}"
        page.fill("#q", query)
        page.press("#q", "Enter")
        until(page, told)
        text = page.inner_text("main") + page.title()
        assert "similar:" not in text and "like:" not in text and "imgsearch search" not in text and "99999" not in text
        page.reload()  # the server's own words
        until(page, told)
        assert "similar:" not in page.inner_text("#title") + page.title()
    search(page, "red year:1999")
    page.wait_for_selector("#nothing li >> nth=3")
    assert [one.split()[0] for one in page.locator("#nothing li:not(:has(#unfilter))").all_inner_texts()] == [
        "2021",
        "2022",
        "2023",
    ]
    page.click("#nothing >> text=2021")
    wait_for_answer(page)
    assert page.input_value("#q") == "red year:2021" and shown_ids(page) and page.is_hidden("#nothing")
    search(page, "folder:Hollyday")
    page.click("#nothing >> text=Holiday 2023")
    wait_for_answer(page)
    assert shown_ids(page) and page.inner_text("#title") == "Pictures: in Holiday 2023"


def test_a_lost_original_and_refusals_are_said_on_the_page(
    open_page: Callable[..., Any], servers: ExitStack, tmp_path: Path, watched: Watched
) -> None:
    watched.expected += ["404", "410", "413", "431"]
    shelf = build(tmp_path, ["a/red one.png", "b/blue two.png"])
    (shelf.photos / "c").mkdir()
    (shelf.photos / "c/holiday.png").write_bytes((shelf.photos / "b/blue two.png").read_bytes())
    shelf.add(["c/holiday.png"])
    lost = shelf.id_of("a/red one.png")
    shelf.service.close()
    site = servers.enter_context(served(shelf.store.layout.folder, shelf.photos, CONFIG))
    page = open_page("/", site.url, permissions=["clipboard-read", "clipboard-write"])
    page.wait_for_load_state("networkidle")
    page.click(f".tile[data-id='{lost}'] a")
    page.wait_for_selector(".viewer dl")
    (shelf.photos / "a/red one.png").unlink()
    page.click("[data-act=copy]")
    until(page, "document.querySelector('.toast')?.textContent.includes('moved or deleted')")
    page.keyboard.press("Escape")
    page.click(f".tile[data-id='{lost}'] a")
    page.wait_for_selector(".viewer .lost")
    said = page.inner_text(".viewer .lost")
    assert "the file was deleted, moved or renamed" in said and "kept from before" in said
    assert not page.locator(".viewer >> text=Download").count() and page.locator(".viewer >> text=Similar").count()
    page.keyboard.press("Escape")
    search(page, "folder:c")
    assert page.eval_on_selector(".tile img", "(image) => image.alt") == "holiday.png"
    open_first(page)
    page.wait_for_selector(".viewer dl")
    assert page.inner_text(".viewer .title") == "holiday.png"
    with page.expect_download() as download:
        page.click("text=Download")
    assert download.value.suggested_filename == "holiday.png"
    original = open_page(f"/api/v1/pictures/{lost}/original", site.url)
    assert "not there any more" in original.inner_text("h1") and "{" not in original.inner_text("main")
    for path, heading in (("/nowhere", "Nothing is here"), ("/?q=" + "a" * 40_000, "That is too long")):
        page.goto(site.url + path)
        assert page.inner_text("h1") == heading and page.locator("a.button").count() == 1
    page.goto(f"{site.url}/pictures/{lost}")
    page.wait_for_selector(".places-of")
    assert page.locator(".lost").count() == 1
    page.goto(site.url)
    sent = page.evaluate(
        """async () => {
          const form = new FormData();
          form.append('image', new Blob([new Uint8Array(36e6)]), 'a.jpg');
          const answer = await fetch('/api/v1/search', { method: 'POST', body: form });
          return [answer.status, answer.headers.get('content-type'), (await answer.json()).title];
        }"""
    )
    assert sent == [413, "application/problem+json", "Request Entity Too Large"]


def test_runs_are_followed_over_a_server_that_starts_again(page: Any, watched: Watched, site: Site) -> None:
    watched.expected += ["503", "net::ERR"]
    job = {
        "id": 7,
        "kind": "index",
        "state": "running",
        "started_at": "2026-01-01T00:00:00Z",
        "finished_at": None,
        "exit_code": None,
        "message": "",
        "summary": None,
        "progress": {"total": 10, "done": 3, "failed": 0, "images_per_s": 1.0, "seconds_left": 7.0},
    }
    streams = [event("jobs", {"jobs": [job]}), None, event("jobs", {"jobs": []}) + event("end", {})]

    def stream(route: Any) -> None:
        body = streams.pop(0) if streams else event("end", {})
        if body is None:
            route.fulfill(status=503, body="")
        else:
            route.fulfill(body=body, content_type="text/event-stream")

    page.route("**/jobs/stream", stream)
    page.goto(f"{site.url}/library")
    until(page, "document.querySelector('#run-says').textContent.includes('goes on when it does')")
    until(page, "document.querySelector('#run-says').textContent.includes('started again')")
    assert page.is_visible("#start") and page.is_hidden("#stop") and not streams
