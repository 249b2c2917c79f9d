"""Favourites, albums, hidden pictures, orders, slides and earlier searches in a real browser, by mouse and by keys."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gestures import READY, answered_ids, search, shown_ids, until, wait_for_answer
from stand import PICTURES, Site, Watched
from test_everyone import check_with_axe

from imgsearch.storage import open_store
from imgsearch.storage.collecting import Collecting
from imgsearch.storage.reads.collected import read_albums

TOAST = "document.querySelector('.toast [role=status]')?.textContent ?? ''"


@pytest.fixture
def collecting(site: Site) -> Iterator[None]:
    """Everything is as it was afterwards: other tests have the same library."""
    yield
    with open_store(site.library) as store:
        ids = list(range(1, PICTURES + 1))
        for mark in ("favourite", "hidden"):
            Collecting(store).mark(mark, ids, on=False)
        for album in read_albums(store):
            Collecting(store).delete(album.album_id)


def told(page: Any, text: str) -> None:
    until(page, f"({TOAST}).includes({text!r})")


def test_pictures_are_kept_put_into_albums_and_hidden(
    open_page: Callable[..., Any], collecting: None, watched: Watched
) -> None:
    page = open_page("/")
    until(page, READY)
    ids = shown_ids(page)
    page.focus(f".tile[data-id='{ids[0]}'] a")
    page.keyboard.press("f")
    until(page, f"document.querySelector('.tile[data-id=\"{ids[0]}\"] .heart')")
    page.keyboard.press("x")
    page.focus(f".tile[data-id='{ids[2]}'] a")
    page.keyboard.press("Shift+X")
    page.keyboard.press("b")
    page.wait_for_selector("dialog.picker[open]")
    check_with_axe(page)
    page.fill("dialog.picker input", 'The "best" \u202e& <old>')
    page.keyboard.press("Enter")
    legible = r'The "best" \u202e& <old>'
    told(page, f"The album {legible} is made, with 3 pictures")
    check_with_axe(page)

    page.keyboard.press("h")
    told(page, "3 pictures hidden")
    until(page, f"!document.querySelector('.tile[data-id=\"{ids[1]}\"]')")
    assert not set(ids[:3]) & set(answered_ids(page, "width:>0")) and answered_ids(page, "is:hidden") == ids[:3]
    assert not page.query_selector(".chosen-bar")
    page.keyboard.press("z")
    until(page, f"document.querySelector('.tile[data-id=\"{ids[1]}\"]')")
    assert answered_ids(page, "is:hidden") == []

    page.goto(page.url.split("?")[0] + "albums")
    assert page.inner_text(".albums [data-id] .named").split("\n") == [legible, "3 pictures"]
    check_with_axe(page)
    with page.expect_download() as coming:
        page.click("li:not([data-id]) [data-do=zip]")
    assert coming.value.suggested_filename == "Favourites.zip"
    with zipfile.ZipFile(coming.value.path()) as packed:
        assert len(packed.namelist()) == 1
    page.click("[data-do=rename]")
    page.fill(".albums input", "Best")
    page.keyboard.press("Enter")
    told(page, "is called Best now")
    page.click(".albums [data-id] .named a")
    wait_for_answer(page)
    until(page, READY)
    assert page.inner_text("#title") == "Best" and page.inner_text("#status") == "3 pictures"
    page.wait_for_selector("#album-zip")
    with page.expect_download() as coming:
        page.click("#album-zip")
    assert coming.value.suggested_filename == "Best.zip"
    with zipfile.ZipFile(coming.value.path()) as packed:
        assert len(packed.namelist()) == 3
    page.focus(f".tile[data-id='{ids[1]}'] a")
    page.keyboard.press("x")
    until(page, "document.querySelector('.chosen-bar [data-do=out]:not([hidden])')")
    page.click(".chosen-bar [data-do=out]")
    told(page, "1 picture taken out of Best")
    assert set(shown_ids(page)) == {ids[0], ids[2]} and page.inner_text("#status") == "2 pictures"
    page.click("[data-do=undo]")
    until(page, "document.querySelectorAll('.tile').length === 3")
    search(page, "a red star")
    assert not page.query_selector("#album-zip")
    search(page, "is:favourite")
    until(page, "document.querySelector('#album-zip')?.href.endsWith('/favourites/zip')")
    page.goto(page.url.split("?")[0] + "albums")
    other = page.context.new_page()  # what another window changes is seen here, too
    other.goto(page.url)
    for act, left in (("delete", 0), ("undo", 1)):
        other.click(f"[data-do={act}]")
        until(other, f"document.querySelectorAll('.albums [data-id]').length === {left}")
        page.evaluate("dispatchEvent(new Event('focus'))")
        until(page, f"document.querySelectorAll('.albums [data-id]').length === {left}")
    other.close()
    page.click("[data-do=delete]")
    told(page, "Best is deleted")
    assert page.is_visible("#none")
    page.click("[data-do=undo]")
    until(page, "document.querySelector('.albums [data-id]')")


def test_an_open_picture_is_kept_hidden_copied_and_shown_as_slides(
    open_page: Callable[..., Any], collecting: None
) -> None:
    page = open_page("/?q=a+red+star", permissions=["clipboard-read", "clipboard-write"])
    wait_for_answer(page)
    until(page, READY)
    ids = shown_ids(page)
    page.click(f".tile[data-id='{ids[0]}'] a")
    page.wait_for_selector(".viewer dl")
    page.keyboard.press("f")
    until(page, "document.querySelector('.viewer [data-do=favourite]').ariaPressed === 'true'")
    page.keyboard.press("c")
    told(page, "on the clipboard")
    kinds = page.evaluate("navigator.clipboard.read().then((items) => items.flatMap((item) => item.types))")
    assert kinds == ["image/png"]
    page.keyboard.press("h")
    told(page, "1 picture hidden")
    until(page, f"location.search.includes('picture={ids[1]}')")
    page.click("[data-do=undo]")
    until(page, f"document.querySelector('.tile[data-id=\"{ids[0]}\"]')")

    page.keyboard.press("p")
    page.wait_for_selector("dialog.slides[open] img.on")
    check_with_axe(page)
    page.keyboard.press(" ")
    page.wait_for_selector(".slides [aria-label='Go on']")
    first = page.inner_text(".slide-says")
    page.keyboard.press("ArrowRight")
    until(page, f"document.querySelector('.slide-says').textContent !== {first!r}")
    page.keyboard.press("Escape")
    until(page, "!document.querySelector('dialog.slides')")
    assert page.query_selector("dialog.viewer[open]") and f"picture={ids[1]}" not in page.url
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.wait_for_selector("dialog.keys-sheet[open]")
    page.keyboard.press("?")
    until(page, "!document.querySelector('dialog[open]')")


def test_orders_stand_in_the_address_and_say_how_many_there_are(open_page: Callable[..., Any]) -> None:
    page = open_page("/")
    search(page, "a red star")
    assert page.inner_text("#status").startswith(f"60 shown of {PICTURES}")
    page.select_option("#sort", "oldest")
    wait_for_answer(page)
    until(page, "document.querySelector('.grid.dated')")
    wanted = answered_ids(page, "a red star", sort="oldest")
    assert shown_ids(page)[:60] == wanted[:60] and "sort=oldest" in page.url
    said = page.eval_on_selector_all(".tile .sure", "all => all.slice(0, 5).map((one) => one.textContent)")
    assert all(re.fullmatch(r"\d{1,2} [A-Z][a-z]{2} \d{4}", one) for one in said)
    page.reload()
    assert shown_ids(page)[:60] == wanted[:60] and page.input_value("#sort") == "oldest"
    assert page.eval_on_selector_all(".tile .sure", "all => all.slice(0, 5).map((one) => one.textContent)") == said
    page.mouse.wheel(0, 9000)
    until(page, f"document.querySelector('#status').textContent.includes('{PICTURES} pictures')")
    search(page, "green")
    assert "sort" not in page.url, "other words begin with the best match"
    page.go_back()
    until(page, "document.querySelector('#sort').value === 'oldest'")


def test_earlier_searches_are_offered_saved_and_forgotten(open_page: Callable[..., Any]) -> None:
    page = open_page("/")
    until(page, READY)
    for words in ("a red star", "green year:2023"):
        search(page, words)
    page.fill("#q", "")
    page.press("#q", "ArrowDown")
    offered = "[...document.querySelectorAll('.recall [data-search]')].map((one) => one.dataset.search)"
    assert page.evaluate(offered) == ["green year:2023", "a red star"]
    check_with_axe(page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    wait_for_answer(page)
    assert "q=a+red+star" in page.url and page.input_value("#q") == "a red star"
    page.press("#q", "ArrowDown")
    page.keyboard.press("Enter")  # save it
    assert page.evaluate("localStorage.getItem('imgsearch.saved')") == '["a red star"]'
    page.fill("#q", "")
    page.press("#q", "ArrowDown")
    page.click("text=Forget all recent searches")
    assert page.evaluate(offered) == ["a red star"]
    page.keyboard.press("Escape")
    page.press("#q", "ArrowDown")
    page.keyboard.press("Delete")
    assert page.evaluate(offered) == [] and page.evaluate("localStorage.getItem('imgsearch.recent')") == "[]"
