"""The report of duplicates in a real browser, opened as the file that it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_everyone import check_with_axe

sys.path.insert(0, str(Path(__file__).parents[2] / "dedup"))

from albums import make_groups

from imgsearch.dedup.reports.report import ReportOptions, write_report
from imgsearch.records import Failure


@pytest.fixture(scope="module")
def report(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    failed = [Failure("/photos/<script>.jpg", "decode", "the file is cut short", False, 1, 1)]
    options = ReportOptions(title="Duplicates of <photos>", notes=("Keep rule: resolution, oldest.",))
    write_report(make_groups(folder / "photos"), folder / "report.html", options=options, failures=failed)
    return (folder / "report.html").as_uri()


@pytest.fixture
def page(browser: Any, report: str) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda told: said.append(told.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report)
    yield page
    assert not said and all(url == report or url.startswith("data:") for url in asked), (said, asked)
    context.close()


def test_report_stands_alone_and_is_open_to_everyone(page: Any) -> None:
    assert page.title() == "Duplicates of <photos>"
    broken = "images => images.filter((image) => image.complete && !image.naturalWidth).length"
    assert page.eval_on_selector_all("img", broken) == 0
    check_with_axe(page)


def test_report_is_walked_with_keys(page: Any) -> None:
    def at() -> str:
        return str(page.evaluate("document.activeElement.id"))

    for expected in ("g1", "g2", "g3"):
        page.keyboard.press("j")
        assert at() == expected
    page.keyboard.press("k")
    page.keyboard.press("k")
    page.keyboard.press("k")
    assert at() == "g1"
    page.keyboard.press("d")
    assert page.eval_on_selector_all("#g1 details", "all => all.map((each) => each.open)") == [True, True]
    size = page.eval_on_selector("#g1 details img", "(image) => image.decode().then(() => image.naturalWidth)")
    assert size > 10
    page.keyboard.press("d")
    assert page.locator("details[open]").count() == 0
