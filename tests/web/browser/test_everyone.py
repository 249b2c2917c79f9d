"""For everyone: keyboard alone, phone and wide screen, light and dark, axe, and the budget of bytes and shifts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from gestures import open_first, search, shown_ids, shown_picture, until, wait_for_answer
from stand import PASSWORD, PICTURES, Site, Watched

PAGES = (
    "/",
    "/?q=a+red+star",
    "/?q=camera:Leica",
    "/pictures/1",
    "/pictures/1?q=star",
    "/library",
    "/duplicates",
    "/timeline",
    "/albums",
)
BUDGET_BYTES = 40_000
LARGEST_SHIFT = 0.05


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing(open_page: Callable[..., Any], path: str) -> None:
    page = open_page(path)
    page.wait_for_load_state("networkidle")
    check_with_axe(page)


def test_axe_finds_nothing_in_what_opens(open_page: Callable[..., Any], watched: Watched) -> None:
    watched.expected.append("400")
    page = open_page("/?q=star+year:2021-2024")
    page.click("text=Folder")
    page.wait_for_selector("#menu-folders button")
    check_with_axe(page)
    page.keyboard.press("Escape")
    open_first(page)
    page.wait_for_selector(".viewer dl")
    page.wait_for_timeout(600)
    check_with_axe(page)
    page.keyboard.press("Escape")
    search(page, "colour:red")
    check_with_axe(page)


def test_axe_finds_nothing_at_the_door(open_page: Callable[..., Any], strict_site: Site, watched: Watched) -> None:
    watched.expected.append("401")
    page = open_page("/", url=strict_site.url)
    page.fill("#password", "not this one")
    page.press("#password", "Enter")
    page.wait_for_selector("[role=alert]")
    check_with_axe(page)
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.wait_for_selector("#grid")
    page.wait_for_load_state()
    search(page, "a red star")
    check_with_axe(page)


def check_with_axe(page: Any) -> None:
    """No violation in light, and in dark none of the rules that look at colours: the rest is the same. axe is put in by
    the test's own way into the page, which no content policy forbids."""
    from axe_playwright_python.base import AXE_SCRIPT

    if page.evaluate("!window.axe"):
        page.evaluate(AXE_SCRIPT)
    for scheme, rules in (("dark", ["color-contrast", "link-in-text-block"]), ("light", None)):
        page.emulate_media(color_scheme=scheme)
        until(page, "document.getAnimations().every((one) => !(one instanceof CSSTransition))")
        asked = {"resultTypes": ["violations"], **({"runOnly": {"type": "rule", "values": rules}} if rules else {})}
        found = page.evaluate("asked => axe.run(document, asked).then((told) => told.violations)", asked)
        assert not found, (scheme, [(one["id"], [node["html"][:160] for node in one["nodes"][:3]]) for one in found])


def test_keyboard_alone_is_enough(lively_page: Any) -> None:
    page = lively_page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("a red star")
    page.keyboard.press("Enter")
    wait_for_answer(page)
    ids = shown_ids(page)
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "Shape":
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("#menu-shapes button")
    until(page, "document.activeElement.closest('#menu-shapes')")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    until(page, "document.activeElement.textContent.trim() === 'Shape'")
    while not page.evaluate("document.activeElement.closest('.tile')"):  # the map, the order
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.closest('.tile').dataset.id") == str(ids[2])
    page.keyboard.press("ArrowDown")
    below = page.evaluate("document.activeElement.closest('.tile').dataset.id")
    page.keyboard.press("ArrowUp")
    assert below not in map(str, ids[:3])
    here = page.evaluate("document.activeElement.closest('.tile').dataset.id")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog.viewer[open]")
    assert shown_picture(page) == int(here)
    assert page.evaluate("document.activeElement.closest('dialog') !== null")
    for _ in range(14):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.keyboard.press("Escape")
    until(page, "!document.querySelector('dialog[open]')")
    assert page.evaluate("document.activeElement.closest('.tile').dataset.id") == here


@pytest.mark.slow
@pytest.mark.parametrize(("phone", "widths"), [(True, (320, 390)), (False, (768, 2560))], ids=["phone", "desk"])
def test_pages_fit_every_width(open_page: Callable[..., Any], phone: bool, widths: tuple[int, ...]) -> None:
    page = open_page("/", viewport={"width": widths[0], "height": 800}, is_mobile=phone, has_touch=phone)
    site = page.url.rstrip("/")
    for path in PAGES:
        page.goto(site + path)
        for width in widths:
            page.set_viewport_size({"width": width, "height": 800})
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{path} is {wide} pixels wide on {width}"
    for width in widths:
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(site)
        search(page, "a red star")
        open_first(page)
        if width < 860:
            page.click("[data-do=info]")
        page.wait_for_selector(".viewer dl")
        assert page.evaluate("document.querySelector('dialog').scrollWidth") <= width
        assert page.eval_on_selector(".stage", "(stage) => stage.clientHeight") > 200


def test_dark_is_dark_and_light_is_light(page: Any) -> None:
    def tone(scheme: str) -> int:
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return int(found.removeprefix("rgb(").split(",")[0])

    assert tone("light") > 240 and tone("dark") < 30


def test_first_page_stays_within_its_budget(open_page: Callable[..., Any]) -> None:
    """Bytes as they were sent, heads included, of everything but pictures up to the load event."""
    page = open_page("/library")
    page.context.clear_cookies()
    session = page.context.new_cdp_session(page)
    for domain in ("Network", "Page"):
        session.send(f"{domain}.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    asked: dict[str, str] = {}
    sent: dict[str, int] = {}
    loaded: list[int] = []
    session.on("Network.requestWillBeSent", lambda one: asked.update({one["requestId"]: one["request"]["url"]}))

    def count(one: dict[str, Any]) -> None:
        if not loaded:
            sent[asked.get(one["requestId"], "")] = one["encodedDataLength"]

    session.on("Network.loadingFinished", count)
    session.on("Page.loadEventFired", lambda _: loaded.append(1))
    page.click("a.brand")
    page.wait_for_selector(".tile")
    page.wait_for_load_state("networkidle")
    text = {url: size for url, size in sent.items() if "/thumbnail" not in url}
    assert any("search.js" in url for url in text) and any("search.css" in url for url in text)
    assert sum(text.values()) < BUDGET_BYTES, text


WATCH_SHIFTS = """() => {
  window.shifts = [];
  const told = ({ value, sources }) => [value, ...sources.map(({ node }) => node?.id ?? node?.className)];
  const unasked = (list) => list.getEntries().filter((one) => !one.hadRecentInput);
  const add = (list) => window.shifts.push(...unasked(list).map(told));
  new PerformanceObserver(add).observe({ type: 'layout-shift', buffered: true });
}"""


def test_layout_shifts_less_than_can_be_seen(lively_page: Any) -> None:
    page = lively_page
    page.evaluate(WATCH_SHIFTS)
    page.wait_for_load_state("networkidle")
    for _ in range(12):
        page.mouse.wheel(0, 700)
        page.wait_for_timeout(60)
    until(page, f"document.querySelectorAll('.tile').length === {PICTURES}")
    page.mouse.wheel(0, -20_000)
    search(page, "red above green")
    page.wait_for_timeout(700)
    shifts = page.evaluate("window.shifts")
    assert sum(value for value, *_ in shifts) < LARGEST_SHIFT, shifts


def test_tiles_that_change_places_glide_and_do_not_shift(lively_page: Any) -> None:
    page = lively_page
    page.wait_for_load_state("networkidle")
    page.evaluate(WATCH_SHIFTS)
    page.evaluate(
        """async () => {
          const { Grid } = await import('/static/js/grid.js');
          const grid = new Grid(document.querySelector('#grid'), { linked: () => '/', opened: () => {} });
          grid.adopt(true);
          await new Promise((done) => setTimeout(done, 700));
          grid.show(grid.hits.toReversed(), { moving: true });
        }"""
    )
    page.wait_for_timeout(900)
    shifts = page.evaluate("window.shifts")
    assert sum(value for value, *_ in shifts) < LARGEST_SHIFT, shifts
