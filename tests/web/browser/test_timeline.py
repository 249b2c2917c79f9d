"""The pictures by date in a real browser: months, the scrubber, keys, the lightbox, a library too tall for a page."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from gestures import until
from stand import PICTURES

SHOWN = "[...document.querySelectorAll('.timeline .tile[data-id]')]"
FILLED = f"{SHOWN}.length > 8 && !document.querySelector('.timeline .tile:not([data-id])')"


def shown_order(page: Any) -> list[int]:
    tiles = f"{SHOWN}.sort((a, b) => a.dataset.index - b.dataset.index).map((tile) => Number(tile.dataset.id))"
    found: list[int] = page.evaluate(tiles)
    return found


def test_timeline_shows_months_in_order_and_the_scrubber_goes_to_them(open_page: Callable[..., Any]) -> None:
    page = open_page("/timeline")
    until(page, FILLED)
    api = page.evaluate("fetch('/api/v1/timeline?limit=500').then((answer) => answer.json())")
    order = [hit["image_id"] for hit in api["hits"]]
    assert len(order) == PICTURES and shown_order(page) == order[: len(shown_order(page))]
    assert page.inner_text("#status").startswith(f"{PICTURES} pictures")
    headings = page.eval_on_selector_all(".timeline h2", "found => found.map((one) => one.firstChild.data)")
    months = page.evaluate("fetch('/api/v1/timeline/months').then((answer) => answer.json())")["months"]
    assert all(str(month["year"]) in heading for month, heading in zip(months, headings, strict=False))
    assert page.get_attribute("#scrubber", "aria-valuetext") == headings[0]

    page.focus("#scrubber")
    page.keyboard.press("End")
    until(page, f"{FILLED} && {SHOWN}.some((tile) => Number(tile.dataset.id) === {order[-1]})")
    box = page.locator("#scrubber").bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + box["height"] - 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 10, box["y"] + 1, steps=4)
    page.mouse.up()
    until(page, f"scrollY < 400 && {SHOWN}.some((tile) => Number(tile.dataset.id) === {order[0]})")

    page.click("[data-sort=oldest]")
    until(page, f"{FILLED} && document.querySelector('[data-sort=oldest]').ariaPressed === 'true'")
    dated = [hit["image_id"] for hit in reversed(api["hits"]) if hit["taken_at"]]
    assert shown_order(page)[:5] == dated[:5] and "sort=oldest" in page.url


def test_timeline_opens_pictures_and_is_walked_by_keys(open_page: Callable[..., Any]) -> None:
    page = open_page("/timeline?q=year:2023")
    until(page, "document.querySelectorAll('.timeline .tile[data-id]').length > 3")
    first, second = shown_order(page)[:2]
    page.focus(f".tile[data-id='{first}'] a")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.closest('.tile').dataset.id") == str(second)
    page.keyboard.press("Enter")
    until(page, "document.querySelector('dialog[open]')")
    assert f"picture={second}" in page.url and "q=year" in page.url
    page.keyboard.press("ArrowLeft")
    until(page, f"location.search.includes('picture={first}')")
    page.keyboard.press("Escape")
    until(page, "!document.querySelector('dialog[open]') && !location.search.includes('picture')")
    page.go_forward()
    until(page, "document.querySelector('dialog[open]')")


def test_timeline_of_a_million_keeps_the_page_small(open_page: Callable[..., Any]) -> None:
    months = [{"year": 2024 - at // 12, "month": 12 - at % 12, "count": 5000} for at in range(240)]

    def stretch(route: Any) -> None:
        given = dict(part.split("=") for part in route.request.url.split("?")[1].split("&") if part.split("=")[1])
        start = int(given.get("start", 0))
        hits = [hit | {"image_id": start + at + 1, "name": f"{start + at}.jpg"} for at in range(100)]
        route.fulfill(body=json.dumps({"start": start, "hits": hits}), content_type="application/json")

    page = open_page("/timeline", viewport={"width": 800, "height": 600})
    hit = page.evaluate("fetch('/api/v1/timeline?limit=1').then((answer) => answer.json())")["hits"][0]
    page.route(
        "**/api/v1/timeline/months?**",
        lambda route: route.fulfill(
            body=json.dumps({"months": months, "total": 1_200_000}), content_type="application/json"
        ),
    )
    page.route("**/api/v1/timeline?**", stretch)
    page.click("[data-sort=oldest]")
    until(page, "document.querySelector('#status').textContent.startsWith('1,200,000')")
    page.focus("#scrubber")
    for key, number in (("End", 1_199_999), ("Home", 0)):
        page.keyboard.press(key)
        until(page, f"{FILLED} && {SHOWN}.some((tile) => tile.dataset.index === '{number}')" if number == 0 else FILLED)
        assert page.evaluate("document.querySelector('#timeline').offsetHeight") <= 4_000_000
        assert page.evaluate("document.querySelectorAll('.timeline .tile').length") < 200
    page.keyboard.press("PageDown")
    until(page, FILLED)
    assert "2023" in page.get_attribute("#scrubber", "aria-valuetext")
    page.mouse.move(300, 300)
    before = page.evaluate("Math.min(...[...document.querySelectorAll('.tile')].map((tile) => +tile.dataset.index))")
    for _ in range(5):
        page.mouse.wheel(0, 500)
    until(page, f"Math.min(...[...document.querySelectorAll('.tile')].map((tile) => +tile.dataset.index)) > {before}")
    page.keyboard.press("End")
    page.focus("[data-sort=oldest]")  # stands above the first picture, and is seen there
    page.wait_for_timeout(100)
    assert 0 <= page.locator("[data-sort=oldest]").bounding_box()["y"] < 500
