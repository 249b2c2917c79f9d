"""The map of places in a real browser: pins and list, mouse, touch and keys, an area, 180 degrees, what is drawn."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from gestures import until
from stand import PICTURES
from test_everyone import check_with_axe

PINS = "[...document.querySelectorAll('.pin:not([hidden])')]"
SHOWN = f"{PINS}.length > 0 && document.querySelector('#listed a')"
SUM = "[...document.querySelectorAll('#listed .count')].reduce((sum, one) => sum + Number(one.textContent), 0)"
PLACED = (PICTURES + 2) // 3  # the album's, near Paris
INK = """(share) => {
  const canvas = document.querySelector('#canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const seen = new Map();
  for (let at = 0; at < data.length; at += 4 * 97) {
    const colour = `${data[at]},${data[at + 1]},${data[at + 2]}`;
    seen.set(colour, (seen.get(colour) ?? 0) + 1);
  }
  return [...seen.values()].filter((count) => count > share * data.length / (4 * 97)).length;
}"""


def zoom_of(page: Any) -> float:
    return float(re.search(r"at=[-0-9.]+%2C[-0-9.]+%2C([-0-9.]+)", page.url)[1])  # type: ignore[index]


def at_rest(page: Any) -> None:
    """Until the map stands, and the list says what is there."""
    until(page, "document.querySelector('#map').ariaBusy === 'false'")


def opened_or_closer(page: Any, before: float) -> None:
    """Until a pin has shown its pictures, or the map has come closer than ``before`` and stands."""
    zoom = "Number(new URLSearchParams(location.search).get('at').split(',')[2])"
    until(page, f"document.querySelector('.tray img')?.checkVisibility() || {zoom} > {before}")
    at_rest(page)


def test_map_is_walked_by_mouse_and_keys_and_filters_the_library(open_page: Callable[..., Any]) -> None:
    page = open_page("/map", reduced_motion="reduce")
    at_rest(page)
    assert page.inner_text("#status").startswith(f"{PLACED} of {PICTURES} pictures with a place")
    assert page.evaluate(SUM) == PLACED
    until(page, f"({INK})(0.02) >= 1")

    page.focus("#map")
    start = zoom_of(page)
    page.keyboard.press("-")
    at_rest(page)
    assert abs(zoom_of(page) - (start - 1)) < 0.02
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    at_rest(page)
    assert abs(zoom_of(page) - start) < 0.02 and page.evaluate(SUM) <= PLACED
    box = page.locator("#map").bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 300)
    page.mouse.wheel(0, 200)
    at_rest(page)
    smaller, before = zoom_of(page), page.url
    assert smaller < start
    page.mouse.down()
    page.mouse.move(box["x"] + 260, box["y"] + 340, steps=3)
    page.mouse.up()
    at_rest(page)
    assert page.url != before and zoom_of(page) == smaller
    page.keyboard.press("0")
    at_rest(page)
    assert page.evaluate(SUM) == PLACED

    page.click("[data-act=area]")
    page.wait_for_selector(".tray img")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 30, box["y"] + box["height"] / 4, steps=4)
    page.mouse.up()
    until(page, "/^Within [0-9.,]+ km of .*France$/.test(document.querySelector('.tray h2').textContent)")
    until(page, "/picture/.test(document.querySelector('.tray [role=status]').textContent)")
    check_with_axe(page)
    page.keyboard.press("Escape")
    page.click("#listed a >> nth=0")
    page.wait_for_selector(".tray img")
    counted = int(page.inner_text(".tray [role=status]").split()[0])
    page.click(".tray .head a")
    until(page, f"document.querySelectorAll('#grid .tile').length === {counted}")
    assert "near" in page.url
    assert "Paris" in page.inner_text("#title") or "km of" in page.inner_text("#title")


def test_pins_open_or_fall_apart_and_the_picture_leads_back(open_page: Callable[..., Any]) -> None:
    page = open_page("/map?q=has:gps&at=48.5,2.5,11", reduced_motion="reduce")
    at_rest(page)
    before = zoom_of(page)
    page.locator(".pin").first.focus()
    page.keyboard.press("Enter")
    opened_or_closer(page, before)
    while not page.is_visible(".tray img"):
        before = zoom_of(page)
        page.locator(".pin:not([hidden])").first.click()
        opened_or_closer(page, before)
    page.click(".tray img")
    page.wait_for_selector("dialog[open] .panel .around a")
    assert "France" in page.inner_text("dialog .facts")
    page.click("dialog .around a >> nth=0")
    until(page, "document.querySelector('#title')?.textContent.startsWith('Pictures: within 1 km of')")
    assert "near%3A" in page.url
    assert page.get_attribute("#map-link", "href").startswith("/map?q=near")


def test_map_on_a_phone_is_pinched_and_goes_across_180_degrees(open_page: Callable[..., Any]) -> None:
    page = open_page(
        "/map?at=-17.5,179.9,3",
        has_touch=True,
        is_mobile=True,
        viewport={"width": 390, "height": 780},
        color_scheme="dark",
    )
    at_rest(page)
    assert page.inner_text("#listed").startswith("No picture")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    pinch = """() => {
      const map = document.querySelector('#map');
      const box = map.getBoundingClientRect();
      const say = (name, id, x, y) => map.dispatchEvent(new PointerEvent(name, {
        pointerId: id, pointerType: 'touch', bubbles: true, clientX: box.x + x, clientY: box.y + y,
      }));
      map.setPointerCapture = () => {};
      say('pointerdown', 11, 150, 200);
      say('pointerdown', 12, 200, 200);
      for (let step = 0; step <= 10; step += 1) {
        say('pointermove', 11, 150 - 5 * step, 200);
        say('pointermove', 12, 200 + 5 * step, 200);
      }
      say('pointerup', 11, 100, 200);
      say('pointerup', 12, 250, 200);
    }"""
    page.evaluate(pinch)
    at_rest(page)
    assert zoom_of(page) > 3.8
    longitude = float(re.search(r"%2C([-0-9.]+)%2C", page.url)[1])  # type: ignore[index]
    assert abs(abs(longitude) - 180) < 8
    page.click("[data-act=all]")
    at_rest(page)
    until(page, SHOWN)
