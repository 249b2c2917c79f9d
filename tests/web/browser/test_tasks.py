"""The steps that a person takes for whole tasks, counted in a real browser, are those of the table in docs/tasks.md."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gestures import READY, answered_ids, shown_ids, until, wait_for_answer
from stand import PICTURES, Site, served
from test_collecting import collecting
from test_first_run import new_site
from twins import build_twins

from web.config import WebConfig

TABLE = Path(__file__).parents[3] / "docs" / "tasks.md"
CHOOSING = "performance.getEntriesByType('resource').some((one) => one.name.includes('select.css'))"
JOB = {"id": 7, "kind": "dedup-find", "state": "running", "finished_at": None, "summary": None, "message": ""}
JOB |= {"problem": None, "progress": {"total": 9, "done": 1, "failed": 0, "stage": "hashes", "seconds_left": None}}

__all__ = ["collecting", "new_site"]


@dataclass
class Person:
    """Somebody who uses a page. A click, a key and a text with its Enter (and the click into its field) are a step
    each; waiting, looking and pointing are none."""

    page: Any
    steps: int = 0

    def clicks(self, what: str, **how: Any) -> None:
        self.page.click(what, **how)
        self.steps += 1

    def presses(self, key: str) -> None:
        self.page.keyboard.press(key)
        self.steps += 1

    def writes(self, text: str, field: str | None = None) -> None:
        """``field``: what is clicked first; without it the page has put the focus where it belongs."""
        if field:
            self.page.click(field)
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")
        self.steps += 1

    def begins(self, address: str) -> None:
        """The next task, from this page on."""
        self.page.goto(address)
        until(self.page, f"{READY} && {CHOOSING}")
        self.steps = 0

    def ticks(self, image_id: int) -> None:
        self.page.hover(f".tile[data-id='{image_id}']")
        self.clicks(f".tile[data-id='{image_id}'] .tick")


def posted(request: Any) -> bool:
    """Whether a page asks for a run that is no estimate."""
    asks = request.method == "POST" and request.url.endswith("/api/v1/jobs")
    return bool(asks and request.post_data_json["kind"] != "estimate")


def documented(task: str) -> int:
    """The figure of imgsearch in the table."""
    found = re.search(rf"^\| {re.escape(task)} \| (\d+) \|", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"{TABLE} has no row {task!r}"
    return int(found[1])


@pytest.fixture
def twins(browser: Any, tmp_path: Path) -> Iterator[Site]:
    build_twins(tmp_path)
    with served(tmp_path / "library", tmp_path / "photos", WebConfig(secret_key=b"k" * 32)) as site:
        yield site


def test_first_picture_is_found_from_nothing(open_page: Callable[..., Any], new_site: Site) -> None:
    """Reading them is in test_first_run.py; here another library stands for what was read."""
    page = open_page("/", url=new_site.url)
    asked: list[Any] = []

    def jobs(route: Any) -> None:
        if route.request.post_data_json["kind"] == "estimate":
            route.continue_()
        else:
            asked.append(route.request.post_data_json)
            route.fulfill(json=JOB | {"kind": "index"}, status=202)

    page.route("**/api/v1/jobs", jobs)
    person = Person(page)
    person.clicks("[name=model][value=mini]")
    person.clicks("#pick")
    person.clicks(".folders >> text=Pictures")
    person.clicks("text=Choose this folder")
    until(page, "!document.querySelector('#begin').disabled")
    with page.expect_response(lambda answer: posted(answer.request)):
        person.clicks("#begin")
    assert [one["model"] for one in asked] == ["mini"]

    person.page = open_page("/")
    person.writes("a red star", "#q")
    wait_for_answer(person.page)
    assert shown_ids(person.page) == answered_ids(person.page, "a red star")
    assert person.steps == documented("From nothing to the first found picture")


def test_copy_goes_and_the_better_file_stays(open_page: Callable[..., Any], twins: Site) -> None:
    """The search's and the move's processes are in test_duplicates_page.py and in test_jobs.py."""
    person = Person(open_page("/", url=twins.url))
    asked: list[str] = []

    def jobs(route: Any) -> None:
        if route.request.method == "GET":
            route.fulfill(json={"jobs": []})
        else:
            asked.append(route.request.post_data_json["kind"])
            route.fulfill(json=JOB | {"kind": asked[-1]}, status=202)

    person.page.route("**/api/v1/jobs", jobs)
    person.clicks("text=Duplicates")
    person.page.wait_for_url("**/duplicates")  # and until its script listens
    with person.page.expect_response(lambda answer: posted(answer.request)):
        person.clicks("#start-find")
    person.page.goto(f"{twins.url}/duplicates")  # which the page does itself when the search is over
    person.page.wait_for_load_state("networkidle")
    person.clicks(".twins >> nth=0 >> [data-do=accept]")
    until(person.page, "document.querySelector('#tray:not([hidden])')")
    assert "1 file of 1 group accepted" in person.page.inner_text("#tray-says")
    with person.page.expect_response(lambda answer: posted(answer.request)):
        person.clicks("#apply")
    assert asked == ["dedup-find", "dedup-apply"]
    assert person.steps == documented("Of a picture and its copy, the better file kept")


# Tasks in one library, one after the other on one page.


def pictures_of_a_trip_come_as_a_zip(person: Person, site: Site) -> None:
    person.begins(f"{site.url}/")
    person.writes('folder:"Holiday 2023"', "#q")
    wait_for_answer(person.page)
    person.ticks(shown_ids(person.page)[0])
    person.clicks("[data-do=all]")
    with person.page.expect_download() as coming:
        person.clicks("[data-do=zip]")
    with zipfile.ZipFile(coming.value.path()) as packed:
        trip = sorted(path.name for path in (site.pictures / "Holiday 2023").iterdir())
        assert sorted(Path(name).name for name in packed.namelist()) == trip
    assert person.steps == documented("All pictures of one trip as a zip")


def one_picture_is_remembered_by_words_and_year(person: Person, site: Site) -> None:
    person.begins(f"{site.url}/")
    person.writes("a red star year:2023", "#q")
    wait_for_answer(person.page)
    first = shown_ids(person.page)[0]
    person.clicks(f".tile[data-id='{first}'] a")
    person.page.wait_for_selector(".viewer dl")
    assert "2023" in person.page.inner_text(".viewer dl")
    assert person.steps == documented("“That one with the red boat in 2019”")


def place_of_a_picture_and_what_is_near(person: Person, site: Site) -> None:
    person.begins(f"{site.url}/?q=has:gps")
    person.clicks(".tile a >> nth=0")
    person.page.wait_for_selector("dialog .around a")
    assert "France" in person.page.inner_text("dialog .facts")
    person.clicks("dialog .around a >> nth=0")
    until(person.page, "document.querySelector('#title')?.textContent.startsWith('Pictures: within 1 km of')")
    assert person.steps == documented("Where was this taken, and what else is near?")


def favourites_become_an_album_and_slides(person: Person, site: Site) -> None:
    person.begins(f"{site.url}/")
    ids = shown_ids(person.page)[:3]
    for image_id in ids:
        person.ticks(image_id)
    person.presses("f")
    until(person.page, "document.querySelectorAll('.tile .heart').length === 3")
    person.presses("b")
    person.page.wait_for_selector("dialog.picker[open]")
    person.writes("Best")
    until(person.page, "document.querySelector('.toast')?.textContent.includes('with 3 pictures')")
    person.presses("p")
    person.page.wait_for_selector("dialog.slides[open] img.on")
    assert set(answered_ids(person.page, "album:Best")) == set(ids) == set(answered_ids(person.page, "is:favourite"))
    assert person.steps == documented("Three favourites, an album of them, slides of it")


def more_pictures_like_two(person: Person, site: Site) -> None:
    person.begins(f"{site.url}/")
    two = shown_ids(person.page)[:2]
    for image_id in two:
        person.ticks(image_id)
    person.clicks("[data-do=like]")
    person.page.wait_for_url("**q=similar**")
    wait_for_answer(person.page)
    assert person.page.input_value("#q") == " ".join(f"similar:{image_id}" for image_id in two)
    assert 0 < len(shown_ids(person.page)) <= PICTURES - len(two)
    assert person.steps == documented("More like these two")


def test_tasks_in_a_library_take_the_steps_of_the_table(
    open_page: Callable[..., Any], site: Site, collecting: None
) -> None:
    person = Person(open_page("/"))
    for task in (
        pictures_of_a_trip_come_as_a_zip,
        one_picture_is_remembered_by_words_and_year,
        place_of_a_picture_and_what_is_near,
        favourites_become_an_album_and_slides,
        more_pictures_like_two,
    ):
        task(person, site)
