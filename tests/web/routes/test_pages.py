"""The pages as the server writes them, before any script runs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from colour_shelf import NAMES, SURE
from hypothesis import given, settings
from hypothesis import strategies as st

from imgsearch.dedup.reports.words import describe_size
from web.http.tiles import NARROWEST, WIDEST, alt_text, long_day, percent, ratio_class

STATIC = Path(__file__).parents[3] / "web" / "static"
HTML = {"Accept": "text/html"}


def ids(page: str) -> list[int]:
    return [int(found) for found in re.findall(r'data-id="(\d+)"', page)]


def get(shelf: Any, path: str, **query: str) -> tuple[int, str]:
    answer = shelf.client.get(path, query_string=query or None, headers=HTML)
    return answer.status_code, answer.get_data(as_text=True)


def test_search_page_holds_the_answer_of_the_api(shelf: Any) -> None:
    status, page = get(shelf, "/", q="red")
    told = shelf.client.get("/api/v1/search", query_string={"q": "red", "limit": 60}).get_json()
    assert status == 200 and ids(page) == [hit["image_id"] for hit in told["hits"]]
    for hit in told["hits"]:
        assert f'src="{hit["thumbnail"]}"' in page and f'href="/pictures/{hit["image_id"]}?q=red"' in page


def test_search_page_says_what_its_order_is(shelf: Any) -> None:
    orders = {"red": "Best match first", "width:>1": "Last added first"}
    for query, order in orders.items():
        page = get(shelf, "/", q=query)[1]
        assert order in page and not any(other in page for other in set(orders.values()) - {order})


def test_search_page_shows_the_newest_when_nothing_is_asked(shelf: Any) -> None:
    _, page = get(shelf, "/")
    assert len(ids(page)) == len(NAMES) and "Newest pictures" in page


def test_search_page_says_what_is_wrong_with_a_query(shelf: Any) -> None:
    for query, reason in (("colour:red", "no filter"), ("similar:/etc/passwd", "not a path"), ("...", "no word")):
        status, page = get(shelf, "/", q=query)
        assert status == 400 and reason in unescape(page) and not ids(page)
    assert get(shelf, "/", q="red", cursor="nonsense")[0] == 400


def test_search_page_offers_the_closest_when_nothing_is_sure(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf([name for name in NAMES if "red" not in name], calibration=SURE)
    _, page = get(shelf, "/", q="red")
    assert "Nothing matches with confidence" in page and len(ids(page)) == 8


def test_search_page_links_to_less_sure_pictures_where_the_sure_ones_end(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf(calibration=SURE)
    _, page = get(shelf, "/", q="red")
    sure = ids(page)
    assert 'href="/?q=red&amp;all=1"' in page and 0 < len(sure) < len(NAMES)
    _, every = get(shelf, "/", q="red", all="1")
    assert ids(every)[: len(sure)] == sure and len(ids(every)) == len(NAMES)


def test_pages_of_an_empty_library_say_what_to_do(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf([])
    assert "No pictures yet" in get(shelf, "/")[1]
    assert "imgsearch index FOLDER" in get(shelf, "/library")[1]


def test_pages_write_no_markup_that_others_gave(shelf: Any) -> None:
    evil = '"><script>alert(1)</script>'
    for page in (get(shelf, "/", q=evil)[1], get(shelf, "/pictures/1", q=evil)[1], get(shelf, "/")[1]):
        assert "<script>alert" not in page and "<b>.png" not in page


def test_pages_hold_no_inline_script_or_style(shelf: Any) -> None:
    for path in ("/", "/?q=red", "/pictures/1", "/library", "/duplicates", "/nowhere"):
        page = get(shelf, path)[1]
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:|https?://", page), path


def test_picture_page_tells_facts_and_links(shelf: Any) -> None:
    image_id = shelf.id_of("a/red two.jpg")
    status, page = get(shelf, f"/pictures/{image_id}", q="red")
    told = shelf.client.get(f"/api/v1/pictures/{image_id}").get_json()
    assert status == 200 and "Camera 5 Mk" in page and told["files"][0]["path"] in unescape(page)
    assert f'href="{told["full"]}"' in page and f'href="/?q=similar:{image_id}"' in page
    assert get(shelf, "/pictures/99999")[0] == 404


def test_library_page_tells_failures_and_their_reasons(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf(NAMES[:2])
    shelf.fail([f"broken {number:02d}.jpg" for number in range(25)])
    _, page = get(shelf, "/library")
    assert page.count("is no picture") == 20 and "colours" in page


def test_style_sheet_has_every_ratio_class() -> None:
    css = dict(re.findall(r"\.(a\d+)\{--r:([\d.]+)\}", (STATIC / "css" / "ratios.css").read_text()))
    for step in range(-700, 1300):
        ratio = math.exp(step / 1000)
        found = float(css[ratio_class({"width": 10_000 * ratio, "height": 10_000})])
        assert abs(math.log(found / min(WIDEST, max(NARROWEST, ratio)))) < 0.011


@given(st.integers(1, 100_000), st.integers(1, 100_000))
@settings(deadline=None)
def test_ratio_class_is_in_range_for_any_picture(width: int, height: int) -> None:
    assert 0 <= int(ratio_class({"width": width, "height": height})[1:]) < 100


@pytest.mark.parametrize(
    ("taken_at", "day"), [("2023-05-03T10:00:00", "3 May 2023"), (None, ""), ("", ""), ("0000-00-00", "")]
)
def test_days_are_written_out(taken_at: str | None, day: str) -> None:
    assert long_day(taken_at) == day
    assert alt_text({"name": "x", "taken_at": taken_at}) == (f"x, taken {day}" if day else "x")


def test_numbers_are_written_for_people() -> None:
    assert [percent(share) for share in (0, 0.004, 0.5, 0.999, 1)] == ["0 %", "0 %", "50 %", "99 %", "100 %"]
    assert [describe_size(size) for size in (0, 999, 1000, 3_400_000, 250_000_000)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "3.4 MB",
        "250 MB",
    ]


@pytest.mark.parametrize("name", ["css/base+search.css", "js/dom.js", "js/early.js"])
def test_styles_and_scripts_come_without_their_comments(shelf: Any, name: str) -> None:
    sent = shelf.client.get(f"/static/{name}").get_data(as_text=True)
    folder, stem, suffix = name.partition("/")[0], Path(name).stem, Path(name).suffix
    kept = [line for part in stem.split("+") for line in code_lines(STATIC / folder / f"{part}{suffix}")]
    assert kept and [line.strip() for line in sent.splitlines() if line.strip()] == kept


def code_lines(path: Path) -> list[str]:
    """What of a file is no comment, read line by line."""
    kept, inside = [], False
    for line in map(str.strip, path.read_text(encoding="utf-8").splitlines()):
        before, inside = inside, (inside or line.startswith("/*")) and not line.endswith("*/")
        if line and not (before or inside or line.startswith(("//", "/*"))):
            kept.append(line.partition("/*")[0].strip() if path.suffix == ".css" else line)
    return kept
