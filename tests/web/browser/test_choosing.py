"""Choosing pictures in a real browser: ticks, keys, stretches, all of an answer, and what the bar does with them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gestures import shown_ids, until
from stand import PICTURES

READY = "performance.getEntriesByType('resource').some((one) => one.name.includes('select.css'))"


def chosen(page: Any) -> list[int]:
    found: list[int] = page.eval_on_selector_all(
        ".tile.chosen", "tiles => tiles.map((tile) => Number(tile.dataset.id))"
    )
    return found


def test_pictures_are_chosen_and_go_away_as_a_zip(open_page: Callable[..., Any], site: Any) -> None:
    page = open_page("/", permissions=["clipboard-read", "clipboard-write"])
    until(page, READY)
    ids = shown_ids(page)
    page.hover(f".tile[data-id='{ids[1]}']")
    page.click(f".tile[data-id='{ids[1]}'] .tick")
    assert chosen(page) == [ids[1]] and "1 picture" in page.inner_text(".chosen-bar")
    page.click(f".tile[data-id='{ids[4]}']", modifiers=["Shift"])
    assert chosen(page) == ids[1:5]
    page.focus(f".tile[data-id='{ids[2]}'] a")
    page.keyboard.press("x")
    assert chosen(page) == [ids[1], ids[3], ids[4]] and not page.query_selector("dialog[open]")

    with page.expect_download() as coming:
        page.click("[data-do=zip]")
    with zipfile.ZipFile(io.BytesIO(Path(coming.value.path()).read_bytes())) as packed:
        assert packed.testzip() is None and len(packed.namelist()) == 3
    assert coming.value.suggested_filename == "3 pictures.zip"

    page.click("[data-do=paths]")
    until(page, "document.querySelector('.chosen-bar').textContent.includes('copied')")
    paths = page.evaluate("navigator.clipboard.readText()").split("\n")
    assert len(paths) == 3 and all(Path(path).is_file() and str(site.pictures) in path for path in paths)

    page.click("[data-do=all]")
    until(page, f"document.querySelector('.chosen-bar strong').textContent === '{PICTURES} pictures'")
    assert page.is_hidden("[data-do=all]")
    page.keyboard.press("Escape")
    assert chosen(page) == [] and not page.query_selector(".chosen-bar")
    page.click(f".tile[data-id='{ids[0]}']")
    until(page, "document.querySelector('dialog[open]')")


def test_a_long_press_chooses_and_taps_go_on(open_page: Callable[..., Any]) -> None:
    page = open_page("/timeline", has_touch=True, is_mobile=True, viewport={"width": 390, "height": 780})
    until(page, f"{READY} && document.querySelectorAll('.timeline .tile[data-id]').length > 5")
    box = page.locator(".tile[data-index='2']").bounding_box()
    touch = page.context.new_cdp_session(page)
    where = [{"x": box["x"] + 20, "y": box["y"] + 20}]
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": where})
    until(page, "document.querySelector('.tile.chosen')")
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.tap(".tile[data-index='4']")
    until(page, "document.querySelectorAll('.tile.chosen').length === 2")
    assert not page.query_selector("dialog[open]")
    page.tap("[data-do=clear]")
    assert chosen(page) == []
