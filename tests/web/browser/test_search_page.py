"""Searching in a real browser: order, scrolling, filters, addresses, pictures as queries."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from gestures import READY, answered_ids, boxes, hand_over, search, shown_ids, until, wait_for_answer
from stand import PASSWORD, PICTURES, Site, Watched

QUERY = "red above green"


def test_search_shows_the_order_of_the_api_when_words_are_typed(page: Any) -> None:
    page.evaluate(
        """() => {
          window.said = [];
          const status = document.querySelector('#status');
          new MutationObserver(() => window.said.push(status.textContent)).observe(status, { childList: true });
        }"""
    )
    search(page, QUERY)
    assert page.url.endswith("/?q=red+above+green")
    assert shown_ids(page) == answered_ids(page, QUERY)
    said = page.evaluate("window.said")
    assert any("First look" in text for text in said) and "read closely" in said[-1]
    assert page.title().startswith(QUERY)


def test_search_shows_vectors_first_then_itm_when_events_come(lively_page: Any) -> None:
    page = lively_page
    known = shown_ids(page)[:6]
    hits = page.eval_on_selector_all(".tile", "tiles => tiles.slice(0, 6).map((tile) => JSON.parse(tile.dataset.hit))")
    answer = {"query": "x", "closest": [], "notes": [], "next_cursor": None, "complete": True, "took_ms": {}}
    first = json.dumps({**answer, "hits": hits, "reranked": 0})
    last = json.dumps({**answer, "hits": hits[::-1], "reranked": 6})
    body = f"event: itc\ndata: {first}\n\nevent: itm\ndata: {last}\n\n"
    page.route("**/search/stream**", lambda route: route.fulfill(body=body, content_type="text/event-stream"))
    page.evaluate(
        """() => {
          window.moved = new Set();
          const animate = Element.prototype.animate;
          Element.prototype.animate = function (...given) {
            if (given[0][0].transform?.startsWith('translate')) window.moved.add(this.dataset.id);
            return animate.apply(this, given);
          };
        }"""
    )
    search(page, "anything")
    assert shown_ids(page) == known[::-1]
    assert page.evaluate("window.moved.size") == 6


def test_search_moves_nothing_when_motion_is_unwanted(open_page: Callable[..., Any]) -> None:
    page = open_page("/", reduced_motion="reduce")
    search(page, QUERY)
    assert page.evaluate("document.getAnimations().length") == 0
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("document.getAnimations().length") == 0, "no element begins a transition, however short"


def test_search_falls_back_to_one_answer_when_streams_are_used_up(page: Any, watched: Watched) -> None:
    watched.expected.append("503")
    page.route("**/search/stream**", lambda route: route.fulfill(status=503, body="{}"))
    search(page, QUERY)
    assert shown_ids(page) == answered_ids(page, QUERY)


def test_search_says_what_is_wrong_when_a_query_cannot_be_read(page: Any, watched: Watched) -> None:
    watched.expected.append("400")
    search(page, "colour:red")
    page.wait_for_selector("#nothing:not([hidden])")
    assert "no filter 'colour'" in page.inner_text("#nothing")
    page.reload()
    assert "no filter 'colour'" in page.inner_text("#nothing")
    search(page, QUERY)
    assert page.is_hidden("#nothing") and shown_ids(page)


def test_search_says_so_when_the_server_is_gone(page: Any, watched: Watched) -> None:
    watched.expected.append("net::ERR")
    page.route("**/api/v1/search**", lambda route: route.abort())
    page.fill("#q", QUERY)
    page.press("#q", "Enter")
    page.wait_for_selector("#nothing:not([hidden])")
    assert "server does not answer" in page.inner_text("#nothing")


def test_grid_fills_its_rows_and_keeps_ratios(page: Any) -> None:
    rows: dict[int, list[dict[str, float]]] = {}
    for box in boxes(page):
        rows.setdefault(round(box["y"]), []).append(box)
    inner = page.eval_on_selector(
        "#grid", "(grid) => grid.clientWidth - 2 * parseFloat(getComputedStyle(grid).paddingLeft)"
    )
    assert len(rows) > 5
    for row in rows.values():
        assert max(box["height"] for box in row) - min(box["height"] for box in row) < 0.6
        assert abs(row[-1]["x"] + row[-1]["width"] - row[0]["x"] - inner) < 1.5
    cut = page.eval_on_selector_all(
        ".tile:not([hidden]) img",
        """images => images.map((image) => {
          const is = image.clientWidth / image.clientHeight;
          const was = image.getAttribute('width') / image.getAttribute('height');
          return Math.max(is / was, was / is);
        })""",
    )
    assert max(cut) < 1.03


def test_grid_never_jumps_while_more_pictures_come(page: Any) -> None:
    before = {box["id"]: box for box in boxes(page)}
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    until(page, f"document.querySelectorAll('.tile').length === {PICTURES}")
    after = {box["id"]: box for box in boxes(page)}
    assert len(after) == PICTURES and len(set(shown_ids(page))) == PICTURES
    assert all(after[name] == box for name, box in before.items())
    assert page.is_hidden("#more")


def test_filters_narrow_the_answer_and_stand_in_the_address(page: Any) -> None:
    page.click("text=Year")
    page.click("#menu-years button >> nth=0")
    wait_for_answer(page)
    year = page.evaluate("new URLSearchParams(location.search).get('q')").removeprefix("year:")
    page.wait_for_selector(f"text=year: {year}")
    shown = page.eval_on_selector_all(".tile img", "images => images.map((image) => image.alt)")
    assert shown and all(f" {year}" in text for text in shown)
    page.click("text=Camera")
    counted = page.inner_text("#menu-cameras button >> nth=0 >> span >> nth=1")
    page.click("#menu-cameras button >> nth=0")
    until(page, f"document.querySelectorAll('.tile').length === {int(counted)}")
    page.click(f"[aria-label='Remove the filter year: {year}']")
    wait_for_answer(page)
    assert page.evaluate("new URLSearchParams(location.search).get('q')").startswith("camera:")
    page.click("text=Folder")
    page.wait_for_selector("#menu-folders button >> nth=3")
    assert page.locator("#menu-folders button").count() == 4


def test_addresses_hold_every_state_so_that_back_and_reload_work(page: Any, open_page: Callable[..., Any]) -> None:
    newest = shown_ids(page)
    search(page, QUERY)
    first = shown_ids(page)
    search(page, "two hats type:jpg")
    second = shown_ids(page)
    page.go_back()
    wait_for_answer(page)
    assert shown_ids(page) == first and page.input_value("#q") == QUERY
    page.go_back()
    wait_for_answer(page)
    assert shown_ids(page) == newest and page.input_value("#q") == ""
    page.go_forward()
    page.go_forward()
    wait_for_answer(page)
    assert shown_ids(page) == second
    page.reload()
    wait_for_answer(page)
    assert shown_ids(page) == second and page.input_value("#q") == "two hats type:jpg"
    shared = open_page(page.url.partition("/?")[1] + page.url.partition("/?")[2])
    wait_for_answer(shared)
    assert shown_ids(shared) == second


def test_back_returns_to_the_place_in_the_grid(page: Any) -> None:
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    until(page, f"document.querySelectorAll('.tile').length === {PICTURES}")
    page.evaluate("scrollTo(0, 900)")
    search(page, QUERY)
    assert page.evaluate("scrollY") == 0
    page.go_back()
    wait_for_answer(page)
    until(page, "Math.abs(scrollY - 900) < 2")
    assert len(shown_ids(page)) == PICTURES


def test_picture_that_is_chosen_dropped_or_pasted_is_found(
    page: Any, site: Site, open_page: Callable[..., Any]
) -> None:
    files = sorted(site.pictures.rglob("*.jpg"))
    page.set_input_files("#file", str(files[3]))
    page.wait_for_url("**upload=*")
    wait_for_answer(page)
    assert files[3].name in page.get_attribute(".tile img", "alt")
    chosen = shown_ids(page)
    for number, kind in ((10, "drop"), (20, "paste")):
        hand_over(page, files[number], kind)
        until(page, f"document.querySelector('.tile img').alt.startsWith('{files[number].name}')")
    page.go_back()
    page.go_back()
    wait_for_answer(page)
    until(page, f"document.querySelector('.tile').dataset.id === '{chosen[0]}'")
    page.reload()
    until(page, f"document.querySelector('.tile').dataset.id === '{chosen[0]}'")
    wait_for_answer(page)
    assert shown_ids(page) == chosen and page.is_visible("#uploaded")
    other = open_page(page.url[len(site.url) :])
    other.wait_for_selector("text=is not kept in this browser")
    page.click("[aria-label='Search without the picture']")
    page.wait_for_url(f"{site.url}/")


def test_picture_that_is_none_is_refused_with_a_reason(page: Any, watched: Watched) -> None:
    watched.expected.append("422")
    page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"})
    page.wait_for_selector("#nothing:not([hidden]) h2")
    assert page.inner_text("#nothing h2")


def test_list_ends_where_the_sure_matches_end(open_page: Callable[..., Any], strict_site: Site) -> None:
    page = open_page("/?q=red", url=strict_site.url)
    enter(page)
    sure = shown_ids(page)
    assert 3 < len(sure) < PICTURES and page.is_visible("text=The sure matches end here")
    last = page.locator(f".tile[data-id='{sure[-1]}']")
    height = last.bounding_box()["height"]
    page.click("#rest-link")
    until(page, "location.search === '?q=red&all=1'")
    wait_for_answer(page)
    assert abs(last.bounding_box()["height"] - height) < 3, "what ends before the line is not drawn out to its end"
    assert shown_ids(page)[: len(sure)] == sure and len(shown_ids(page)) > len(sure)
    assert page.is_visible("text=From here on less sure")


def test_nothing_with_confidence_offers_the_closest(open_page: Callable[..., Any], strict_site: Site) -> None:
    page = open_page("/?q=red+name:blue", url=strict_site.url)
    enter(page)
    page.wait_for_url(f"{strict_site.url}/?q=red+name:blue")
    assert "Nothing matches with confidence" in page.inner_text("#nothing")
    assert len(shown_ids(page)) == 8
    search(page, "green name:blue")
    assert "Nothing matches with confidence" in page.inner_text("#nothing")
    assert len(shown_ids(page)) == 8
    page.click("text=Search without the filters")
    wait_for_answer(page)
    assert page.is_hidden("#nothing") and page.input_value("#q") == "green"
    until(page, READY)
    page.click("text=Log out")
    page.wait_for_selector("#password")


def enter(page: Any) -> None:
    """Log in."""
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.wait_for_selector("#grid")
    page.wait_for_load_state()


def test_search_works_without_scripts(open_page: Callable[..., Any]) -> None:
    page = open_page("/", java_script_enabled=False)
    page.fill("#q", "red")
    page.press("#q", "Enter")
    page.wait_for_url("**q=red")
    count = page.locator(".tile").count()
    assert count == 60 and not page.is_visible("#choose")
    page.click("text=More pictures")
    page.wait_for_url("**cursor=**")
    assert page.locator(".tile").count() == PICTURES - 60
    page.click(".tile a >> nth=0")
    page.wait_for_url("**/pictures/**")
    assert page.is_visible("text=Similar pictures") and ".jpg" in page.inner_text("h1")
