"""The library by date over HTTP: counts by month, and stretches that are those months."""

from __future__ import annotations

from typing import Any

import pytest
from colour_shelf import NAMES, TOKEN


def asked(shelf: Any, path: str, **query: Any) -> Any:
    answer = shelf.client.get(f"/api/v1/timeline{path}", query_string=query)
    return answer.get_json() if answer.status_code == 200 else (answer.status_code, answer.get_json()["detail"])


def test_months_are_counted_and_undated_pictures_come_last(shelf: Any) -> None:
    told = asked(shelf, "/months")
    assert told["total"] == len(NAMES) == sum(month["count"] for month in told["months"])
    dated = [(month["year"], month["month"]) for month in told["months"] if month["year"]]
    assert dated == sorted(dated, reverse=True) and {2018, 2019} <= {year for year, _ in dated}
    assert told["months"][-1]["year"] == 0
    oldest = asked(shelf, "/months", sort="oldest")["months"]
    assert [(one["year"], one["month"]) for one in oldest] == [*reversed(dated), (0, 0)]


@pytest.mark.parametrize("sort", ["newest", "oldest"])
def test_stretches_join_to_the_whole_in_the_order_of_the_months(shelf: Any, sort: str) -> None:
    whole = asked(shelf, "", sort=sort)["hits"]
    parts = [hit for start in range(0, 15, 5) for hit in asked(shelf, "", sort=sort, start=start, limit=5)["hits"]]
    assert [hit["image_id"] for hit in parts] == [hit["image_id"] for hit in whole]
    assert [hit["rank"] for hit in whole] == list(range(1, len(NAMES) + 1))
    told = [
        (one["year"], one["month"]) for one in asked(shelf, "/months", sort=sort)["months"] for _ in range(one["count"])
    ]
    for hit, (year, month) in zip(whole, told, strict=True):
        if hit["taken_at"]:
            assert hit["taken_at"].startswith(f"{year:04d}-{month:02d}" if month else f"{year:04d}")


def test_filters_apply_and_words_are_refused(shelf: Any) -> None:
    assert asked(shelf, "/months", q="year:2019")["total"] == len(asked(shelf, "", q="year:2019")["hits"]) == 1
    for path in ("", "/months"):
        status, detail = asked(shelf, path, q="a red boat year:2019")
        assert (status, detail) == (400, "the pictures by date were asked for words")
        assert asked(shelf, path, sort="best")[0] == 400


def test_page_names_its_months_and_what_it_shows(shelf: Any) -> None:
    page = shelf.client.get("/timeline?q=year:2019").get_data(as_text=True)
    assert 'data-q="year:2019"' in page and "[[2019, " in page.replace("&#34;", '"')
    assert "No picture has all of these filters" in shelf.client.get("/timeline?q=year:1066").get_data(as_text=True)
    assert shelf.client.get("/timeline?q=a+boat").status_code == 400


def test_token_of_a_program_is_enough(shelf: Any) -> None:
    answer = shelf.client.get("/api/v1/timeline/months", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
