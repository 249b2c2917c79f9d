"""The picture in the lightbox and on its own page."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from colour_shelf import build
from gestures import answered_ids, open_first, search, shown_ids, shown_picture, swipe, until, wait_for_answer
from PIL import Image
from stand import Site, served

from web.config import WebConfig

QUERY = "a red star"


@pytest.fixture
def found(page: Any) -> Any:
    """The page with an answer."""
    search(page, QUERY)
    return page


def test_lightbox_leafs_with_arrows_and_closes_with_escape(found: Any) -> None:
    ids = shown_ids(found)
    assert open_first(found) == shown_picture(found) == ids[0]
    assert found.is_disabled(".viewer .back")
    found.keyboard.press("ArrowRight")
    found.keyboard.press("ArrowRight")
    assert shown_picture(found) == ids[2]
    found.keyboard.press("ArrowLeft")
    assert shown_picture(found) == ids[1]
    found.click(".viewer .forth")
    assert shown_picture(found) == ids[2]
    found.keyboard.press("Escape")
    until(found, "!document.querySelector('dialog[open]')")
    until(found, "!location.search.includes('picture')")
    assert found.evaluate("document.activeElement.closest('.tile').dataset.id") == str(ids[2])
    assert shown_ids(found) == ids


def test_lightbox_closes_with_back_and_opens_with_forward_and_reload(found: Any) -> None:
    first = open_first(found)
    found.go_back()
    until(found, "!document.querySelector('dialog[open]')")
    found.go_forward()
    found.wait_for_selector("dialog.viewer[open]")
    found.reload()
    found.wait_for_selector("dialog.viewer[open]")
    assert shown_picture(found) == first
    found.wait_for_selector("text=Why it matched")
    found.click("[data-do=close]")
    until(found, "!location.search.includes('picture')")
    assert f"q={QUERY.replace(' ', '+')}" in found.url


def test_lightbox_goes_on_past_the_first_page(page: Any) -> None:
    first_page = shown_ids(page)
    page.evaluate("history.replaceState(null, '', '/?picture=" + str(first_page[-1]) + "')")
    page.reload()
    page.wait_for_selector("dialog.viewer[open]")
    until(page, "!document.querySelector('.viewer .forth').disabled")
    page.keyboard.press("ArrowRight")
    assert shown_picture(page) not in first_page


def test_lightbox_tells_facts_and_copies_the_path(open_page: Callable[..., Any], site: Site) -> None:
    page = open_page("/", permissions=["clipboard-read", "clipboard-write"])
    open_first(page)
    page.wait_for_selector(".viewer dl")
    panel = page.inner_text(".viewer .panel")
    assert "JPEG" in panel and "×" in panel and str(site.pictures) in panel and "Why it matched" not in panel
    page.click("[aria-label='Copy path']")
    page.wait_for_selector("[aria-label='Copied']")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(str(site.pictures)) and copied.endswith(".jpg")
    name = page.inner_text(".viewer .title")
    with page.expect_download() as download:
        page.click("text=Download")
    assert download.value.suggested_filename == name


def test_lightbox_tells_why_a_picture_matched(found: Any) -> None:
    grid = [[0.0] * 8 for _ in range(8)]
    grid[2][5] = 1.0
    told = {
        "itc": 0.42,
        "itm_probability": 0.97,
        "words": [{"word": "red", "grid": grid}, {"word": "star", "grid": grid}],
    }
    found.route("**/match?**", lambda route: route.fulfill(body=json.dumps(told), content_type="application/json"))
    open_first(found)
    found.wait_for_selector(".words button")
    panel = found.inner_text(".viewer .panel")
    assert "0.420" in panel and "97 %" in panel
    found.click(".words button >> nth=1")
    assert found.get_attribute(".words button >> nth=1", "aria-pressed") == "true"
    found.wait_for_selector(".frame canvas.lit")
    warmest = found.evaluate(
        """() => {
          const canvas = document.querySelector('.frame canvas');
          const { data, width, height } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          let best = 0;
          const warmth = (at) => data[at] + data[at + 3];
          for (let at = 0; at < data.length; at += 4) if (warmth(at) > warmth(best)) best = at;
          return [(best / 4 % width) / width, Math.floor(best / 4 / width) / height];
        }"""
    )
    assert 5 / 8 - 0.05 < warmest[0] < 6 / 8 + 0.05 and 2 / 8 - 0.05 < warmest[1] < 3 / 8 + 0.05
    found.click(".words button >> nth=1")
    assert found.locator(".frame canvas.lit").count() == 0


def test_lightbox_asks_the_model_for_its_own_map(found: Any) -> None:
    with found.expect_response("**/match?**") as answered:
        open_first(found)
    told = answered.value.json()
    assert answered.value.ok and 0 <= told["itm_probability"] <= 1
    for word in told["words"]:
        assert word["word"] in QUERY and 0 <= min(map(min, word["grid"])) <= max(map(max, word["grid"])) <= 1


def test_lightbox_finds_similar_pictures(found: Any) -> None:
    first = open_first(found)
    found.click(".viewer >> text=Similar pictures")
    until(found, f"location.search === '?q=similar%3A{first}'")
    wait_for_answer(found)
    assert not found.locator("dialog[open]").count() and first not in shown_ids(found)
    assert shown_ids(found) == answered_ids(found, f"similar:{first}")


def test_lightbox_zooms_with_keys_wheel_and_double_click(found: Any) -> None:
    open_first(found)

    def scale() -> float:
        return float(found.eval_on_selector(".frame", "(frame) => new DOMMatrix(frame.style.transform).a"))

    assert scale() == 1
    found.wait_for_selector(".viewer dl")
    with found.expect_response("**/original"):
        found.keyboard.press("+")
    assert scale() > 1.3
    found.keyboard.press("0")
    assert scale() == 1
    found.hover(".viewer .stage")
    found.mouse.wheel(0, -600)
    until(found, "new DOMMatrix(document.querySelector('.frame').style.transform).a > 1.5")
    found.dblclick(".viewer .stage")
    assert scale() == 1
    found.dblclick(".viewer .stage")
    assert scale() == 2.5


def test_lightbox_is_swiped_on_a_phone(open_page: Callable[..., Any]) -> None:
    page = open_page("/", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    ids = shown_ids(page)
    page.tap(".tile a >> nth=0")
    page.wait_for_selector("dialog.viewer[open]")
    assert page.is_hidden(".viewer .panel")
    swipe(page, ".viewer .stage", -200)
    until(page, f"location.search.includes('picture={ids[1]}')")
    swipe(page, ".viewer .stage", 200)
    until(page, f"location.search.includes('picture={ids[0]}')")
    page.wait_for_timeout(1500)  # Chromium takes a tap right behind a swipe for a part of it
    page.tap("[data-do=info]")
    page.wait_for_selector(".viewer .panel", state="visible")
    page.tap("[data-do=info]")
    page.wait_for_selector(".viewer .panel", state="hidden")
    swipe(page, ".viewer .stage", 0, 300)
    until(page, "!document.querySelector('dialog[open]')")


def test_picture_page_stands_alone(open_page: Callable[..., Any], found: Any) -> None:
    first = shown_ids(found)[0]
    page = open_page(f"/pictures/{first}?q=a+red+star")
    page.wait_for_selector("text=Why it matched")
    page.wait_for_selector("text=Path")
    assert page.eval_on_selector(".stage img", "(image) => image.decode().then(() => image.naturalWidth)") > 100
    page.click("text=Matches")
    page.wait_for_url("**/?q=a%20red%20star")


def test_picture_that_is_not_there_gets_an_error_page(open_page: Callable[..., Any], watched: Any) -> None:
    watched.expected.append("404")
    page = open_page("/pictures/999999")
    assert "no picture with the id 999999" in page.inner_text("main")


def test_a_picture_that_browsers_cannot_show_is_zoomed_in_full_size(
    open_page: Callable[..., Any], servers: ExitStack, tmp_path: Path
) -> None:
    shelf = build(tmp_path, ["a/blue one.tif"])
    with Image.open(shelf.photos / "a/blue one.tif") as stored:
        size = list(stored.size)
    shelf.service.close()
    config = WebConfig(secret_key=b"k" * 32)
    site = servers.enter_context(served(shelf.store.layout.folder, shelf.photos, config))
    page = open_page("/pictures/1", site.url)
    page.wait_for_selector(".frame img")
    with page.expect_response("**/full") as answered:
        page.dblclick(".stage")
    assert answered.value.headers["content-type"] == "image/jpeg"
    until(page, "document.querySelectorAll('.frame img')[1].src.endsWith('/full')")
    shown = page.evaluate("document.querySelectorAll('.frame img')[1].decode().then(() => 1)")
    assert shown == 1
    image = page.eval_on_selector_all(".frame img", "(all) => [all[1].naturalWidth, all[1].naturalHeight]")
    assert image == size
