"""Facets over HTTP: each term, put into the query, finds as many pictures as it says."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from colour_shelf import NAMES


def asked(shelf: Any, q: str) -> Any:
    return shelf.client.get("/api/v1/facets", query_string={"q": q}).get_json()


def found(shelf: Any, q: str) -> int:
    """How many pictures filters alone find."""
    return len(shelf.client.get("/api/v1/search", query_string={"q": q, "limit": 100}).get_json()["hits"])


@pytest.mark.parametrize(
    "q", ["", "width:>0", "year:2018", "type:png -year:2018", "name:red", "folder:b", "camera:camera"]
)
def test_a_count_is_what_the_search_finds(shelf: Any, q: str) -> None:
    facets = asked(shelf, q)
    assert set(facets) == {"years", "folders", "cameras", "types"}
    for name, values in facets.items():
        for value in values:
            if name == "folders":
                assert value["count"] == found(shelf, value["search"]), value
            elif f"{name[:-1]}:" not in q.replace("-", ""):
                assert value["count"] == found(shelf, f"{q} {value['query']}"), value
            assert value["count"] > 0


def test_the_values_are_those_of_the_library(shelf: Any) -> None:
    facets = asked(shelf, "")
    assert {value["value"]: value["count"] for value in facets["types"]} == {
        "png": 6, "jpg": 2, "gif": 1, "bmp": 1, "webp": 1, "tiff": 1,
    }  # fmt: skip
    assert [(value["value"], value["count"]) for value in facets["years"]] == [(2019, 1), (2018, 1)]
    assert [value["value"] for value in facets["folders"]] == ["a", "c"]
    assert [(value["value"], value["count"]) for value in facets["cameras"]] == [
        ("Camera 5 Mk", 2), ("Camera 5 Mk II", 1),
    ]  # fmt: skip


def test_a_folder_takes_the_place_of_the_folder_before_and_leads_deeper(shelf: Any) -> None:
    (first, _) = asked(shelf, "width:>0 red")["folders"]
    assert first["search"] == f"width:>0 red {first['query']}" and first["query"] == f"folder:{shelf.photos}/a"
    (below,) = asked(shelf, first["search"])["folders"]
    assert below["search"] == f"width:>0 red folder:{shelf.photos}/a/b" and below["count"] == 3
    assert asked(shelf, below["search"])["folders"] == []


def test_towns_are_offered_with_what_near_them_is_found(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf()
    places = [(38.71, -9.14)] * 3 + [(38.75, -9.2), (48.86, 2.35), (48.9, 2.4), (-18.14, 178.44), (0.0, -140.0)]
    with shelf.store.catalog.note() as catalog:
        for image_id, (north, east) in enumerate(places, 1):
            catalog.execute(f"UPDATE images SET latitude={north}, longitude={east} WHERE image_id={image_id}")

    def offered(q: str) -> Any:
        return shelf.client.get("/api/v1/facets/places", query_string={"q": q}).get_json()["places"]

    told = {one["value"]: one["count"] for one in offered("")}
    assert told["Lisbon, Portugal"] == 4 and told["Paris, France"] == 2 and sum(told.values()) == 7, "one is at sea"
    for q in ("", "red", "type:png", 'width:>1 near:"Porto, Portugal"'):
        for one in offered(q):
            assert one["query"] in one["search"] and "Porto" not in one["search"]
            assert one["count"] == found(shelf, f"width:>0 {one['search'].replace('red', '')}"), one
    assert offered("is:hidden") == [] and shelf.client.get("/api/v1/facets/places?q=year:x").status_code == 400


def test_words_and_pictures_to_compare_with_do_not_count(shelf: Any) -> None:
    plain, spoken = asked(shelf, ""), asked(shelf, "similar:3 a red one -blue")
    for name in plain:
        assert [(v["value"], v["count"]) for v in plain[name]] == [(v["value"], v["count"]) for v in spoken[name]]


def test_what_the_language_cannot_say_is_left_out(make_shelf: Callable[..., Any]) -> None:
    names = [
        'q"uote/red.png',
        "two  spaces/red .png",
        "line\nend/red .png",
        os.fsdecode(b"\xff/red .png"),
        "it's ok/red x.png",
    ]
    shelf = make_shelf([name.replace("red.", "red .") for name in names])
    folders = asked(shelf, "")["folders"]
    assert [folder["value"] for folder in folders] == ["it's ok"]
    assert found(shelf, folders[0]["search"]) == folders[0]["count"] == 1


def test_new_pictures_count_at_once(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf(NAMES[:4])
    assert sum(value["count"] for value in asked(shelf, "")["types"]) == 4
    from colour_shelf import paint

    paint(shelf.photos / "red new.png", 30)
    shelf.add(["red new.png"])
    assert sum(value["count"] for value in asked(shelf, "")["types"]) == 5


@pytest.mark.parametrize("q", ["similar:/etc/passwd", "like:../x", "colour:red", "x" * 1001, f"similar:{'9' * 19}"])
def test_a_wrong_query_is_a_problem(shelf: Any, q: str) -> None:
    answer = shelf.client.get("/api/v1/facets", query_string={"q": q})
    assert answer.status_code == 400 and answer.content_type == "application/problem+json"
