"""The review of duplicates in a real browser: keys, decisions, what is moved and brought back."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gestures import until
from stand import Site, served
from test_everyone import check_with_axe
from twins import NAMES, build_twins

from web.config import WebConfig

STATES = "[...document.querySelectorAll('.twins')].map((group) => group.dataset.state)"
AT = "document.querySelector('.twins.at')?.querySelector('.keep .path').textContent.split('/').pop()"


@pytest.fixture(scope="module")
def built(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pictures, their library and its plan. Depends on the browser: without one nothing is made."""
    folder = tmp_path_factory.mktemp("twins")
    build_twins(folder)
    return folder


@pytest.fixture(scope="module")
def served_twins(built: Path) -> Iterator[Site]:
    with served(built / "library", built / "photos", WebConfig(secret_key=b"k" * 32)) as site:
        yield site


@pytest.fixture
def twins(served_twins: Site) -> Site:
    """They, served; nothing is left of the test before."""
    (served_twins.library / "dedup" / "review.json").unlink(missing_ok=True)
    shutil.rmtree(served_twins.library / "quarantine" / "runs", ignore_errors=True)
    return served_twins


@pytest.fixture
def review(open_page: Callable[..., Any], twins: Site) -> Any:
    page = open_page("/duplicates", url=twins.url)
    page.wait_for_load_state("networkidle")
    return page


def press(page: Any, keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_axe_finds_nothing_in_the_review(open_page: Callable[..., Any], twins: Site) -> None:
    page = open_page("/duplicates", url=twins.url)
    page.wait_for_load_state("networkidle")
    press(page, "jjd")
    page.wait_for_selector("canvas")
    check_with_axe(page)
    press(page, "a")
    page.wait_for_selector("#tray:not([hidden])")
    check_with_axe(page)


def test_review_is_done_with_keys(review: Any) -> None:
    assert review.evaluate(STATES) == ["open"] * len(NAMES)
    press(review, "a")  # decides nothing before one stands somewhere
    until(review, f"{AT} === 'bytes.png'")
    assert review.evaluate(STATES) == ["open"] * len(NAMES) and review.evaluate(
        "document.activeElement.matches('.twins.at')"
    )
    press(review, "a")
    until(review, f"{STATES}[0] === 'accepted' && {AT} === 'hard.png'")
    assert "1 file of 1 group accepted" in review.inner_text("#tray-says")
    press(review, "n")
    until(review, f"{STATES}[1] === 'distinct' && {AT} === 'large.png'")
    press(review, "s")
    until(review, f"{AT} === 'near.png'")
    press(review, "m")
    until(review, "document.querySelector('.twins.at [data-do=accept]')")
    press(review, "a")
    until(review, f"{AT} === 'pixels.png'")
    assert review.evaluate(STATES) == ["accepted", "distinct", "open", "accepted", "open", "open"]
    press(review, "k")
    assert review.evaluate(AT) == "near.png"
    press(review, "u")
    until(review, f"{STATES}[3] === 'open'")
    assert review.inner_text("tr[data-tier=bytes] [data-count=decided]") == "1"
    review.reload()
    assert review.evaluate(STATES) == ["open"] * 4


def test_pictures_are_seen_whole(review: Any) -> None:
    """Also one that is higher than wide."""
    within = """images => images.every((image) => {
      const [box, frame] = [image.getBoundingClientRect(), image.parentElement.getBoundingClientRect()];
      const fits = [box.top >= frame.top, box.bottom <= frame.bottom, box.left >= frame.left, box.right <= frame.right];
      return fits.every(Boolean) && getComputedStyle(image).objectFit === 'contain';
    })"""
    assert review.eval_on_selector_all(".look img", within)


def test_digit_keeps_another_file_instead(review: Any) -> None:
    press(review, "j2")
    until(review, f"{AT} === 'bytes copy.png'")
    assert "chosen by hand" in review.inner_text(".twins.at").lower()


def test_difference_is_dark_where_the_turned_copy_agrees(review: Any) -> None:
    """Of the mirrored copy hardly anything is red; of the one with a white mark, the mark is."""
    press(review, "jjj")
    assert review.evaluate(AT) == "large.png"
    press(review, "d")
    until(review, "document.querySelectorAll('.twins.at canvas').length === 3")
    red = """Object.fromEntries([...document.querySelectorAll('.twins.at canvas')].map((canvas) => {
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      let count = 0;
      for (let at = 0; at < data.length; at += 4) count += data[at] - data[at + 1] > 150;
      const name = canvas.closest('.file').querySelector('.path').textContent.split('large ')[1];
      return [name, count / (data.length / 4)];
    }))"""
    shares = review.evaluate(red)
    assert shares["mirrored.jpg"] < 0.01 and shares["saved.jpg"] < 0.01 and 0.02 < shares["small.jpg"] < 0.1
    press(review, "d")
    assert review.locator("canvas").count() == 0


def test_accepted_files_are_moved_and_brought_back_from_the_page(review: Any, twins: Site) -> None:
    copies = [twins.pictures / "phone" / name for name in ("bytes copy.png", "pixels turned.png")]
    for tier in ("bytes", "pixels"):
        review.click(f"tr[data-tier={tier}] [data-do=accept-tier]")
        until(review, f"document.querySelector('tr[data-tier={tier}] [data-count=open]').textContent === '0'")
    until(review, f"{STATES}.filter((state) => state === 'accepted').length === 2")
    assert all(copy.exists() for copy in copies)
    review.click("#apply")
    review.wait_for_selector("text=Done: 2 files moved")
    assert not any(copy.exists() for copy in copies) and "In quarantine" in review.inner_text("main")
    until(review, f"{STATES}.filter((state) => state === 'applied').length === 2")
    review.click("[data-do=bring-back]")
    review.wait_for_selector("text=Done: 2 files brought back")
    assert all(copy.exists() for copy in copies) and review.is_hidden("#moved")
    until(review, f"{STATES}.every((state) => state === 'open')")


def test_more_groups_come_before_the_last_is_reached(open_page: Callable[..., Any], twins: Site) -> None:
    page = open_page("/duplicates?limit=2", url=twins.url)
    assert page.locator(".twins").count() == 2
    page.evaluate("document.querySelector('#more').href += '&limit=2'")
    press(page, "j")
    until(page, "document.querySelectorAll('.twins').length === 4")
    press(page, "jjj")
    until(page, "document.querySelectorAll('.twins').length === 6")
    until(page, "!document.querySelector('#more')")
    press(page, "jj")
    until(page, f"{AT} === 'semantic.png'")


def test_review_is_read_without_a_script_and_on_a_phone(open_page: Callable[..., Any], twins: Site) -> None:
    page = open_page(
        "/duplicates?limit=4", url=twins.url, java_script_enabled=False, viewport={"width": 390, "height": 844}
    )
    assert page.locator(".twins").count() == 4 and page.locator("button:visible[data-do]").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click("#more")
    page.wait_for_url("**cursor=**")
    assert page.locator(".twins").count() == 2
    assert "Nothing moves before you say so" in page.inner_text("main")


def test_what_is_pressed_before_the_page_is_ready_is_done_when_it_is(open_page: Callable[..., Any], site: Site) -> None:
    page = open_page("/library")
    held: list[Any] = []
    page.route("**/finding.js*", lambda route: held.append(route))
    page.route("**/api/v1/jobs", lambda route: route.fulfill(json={"jobs": []}))
    page.goto(f"{site.url}/duplicates", wait_until="commit")
    page.click("#start-find", no_wait_after=True)
    with page.expect_request(lambda asked: asked.method == "POST") as begun:
        held[0].continue_()
    assert begun.value.post_data_json == {"kind": "dedup-find"}


def test_a_search_for_duplicates_is_started_watched_and_stopped(open_page: Callable[..., Any], site: Site) -> None:
    """Its process is in test_jobs.py; here the page is told of one that ends as it should."""
    page = open_page("/library")
    progress = {"total": 200, "done": 50, "failed": 0, "stage": "hashes", "images_per_s": None, "seconds_left": None}
    job = {"id": 7, "kind": "dedup-find", "state": "running", "finished_at": None, "progress": progress}
    job |= {"summary": None, "message": "", "problem": None}
    counts = {"images": 200, "groups": 3, "copies": 2, "freed_bytes": 10, "failed": 1}
    over = job | {"state": "finished", "finished_at": "2026-11-28T00:00:00.000Z", "summary": counts}
    known: list[Any] = []

    def jobs(route: Any) -> None:
        started = route.request.method == "POST"
        known[:] = [job] if started else known
        route.fulfill(json=job if started else {"jobs": known}, status=202 if started else 200)

    page.route("**/api/v1/jobs", jobs)
    page.route("**/jobs/stream", lambda route: None)  # nothing is told yet; an answer would end the stream
    page.route("**/jobs/7", lambda route: route.fulfill(json=job | {"state": "stopping"}, status=202))
    page.click("text=Duplicates")
    page.wait_for_url("**/duplicates")
    assert "imgsearch" not in page.inner_text("main")
    page.click("#start-find")
    until(page, "document.querySelector('#find-says').textContent === 'Comparing how they look …'")
    assert page.inner_text("#find-pace") == "50 of 200" and page.is_hidden("#start-find")
    assert page.evaluate("document.activeElement.id") == "stop-find"
    check_with_axe(page)
    page.click("#stop-find")
    until(page, "document.querySelector('#find-says').textContent.startsWith('Stopping')")
    known[:] = [over]
    page.reload()
    told = "200 pictures compared: 3 groups found, 2 files that could go. 1 file could not be read."
    until(page, f"document.querySelector('#find-says').textContent === {told!r}")
    assert page.is_visible("#start-find") and page.is_hidden("#find-bar")
