"""The map over HTTP: clusters against places counted by hand, whatever `near:` finds, pages with and without places."""

from __future__ import annotations

import math
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from colour_shelf import NAMES, TOKEN, Shelf, build

from imgsearch.records import Clause, Filters
from imgsearch.storage.reads.places import read_places

LISBON, FIJI = (38.71, -9.14), (-17.5, 179.999)
PLACES = [LISBON, (38.72, -9.13), (38.70, -9.15), FIJI, (-17.5, -179.999), (-90.0, 12.0), (59.91, 10.75)]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """Twelve pictures, seven of them with a place."""
    shelf = build(tmp_path_factory.mktemp("placed"))
    with sqlite3.connect(shelf.store.path / "catalog.db") as database:
        for number, place in enumerate(PLACES, 1):
            database.execute("UPDATE images SET latitude = ?, longitude = ? WHERE image_id = ?", (*place, number))
    yield shelf
    shelf.service.close()


def asked(shelf: Shelf, path: str = "", **query: Any) -> Any:
    answer = shelf.client.get(f"/api/v1/places{path}", query_string=query)
    return answer.get_json() if answer.status_code == 200 else (answer.status_code, answer.get_json()["detail"])


def found(shelf: Shelf, query: str) -> set[int]:
    told = shelf.client.get("/api/v1/search", query_string={"q": query, "limit": 100, "all": 1}).get_json()
    return {hit["image_id"] for hit in told["hits"]}


def test_clusters_count_every_picture_with_a_place(shelf: Shelf) -> None:
    told = asked(shelf, zoom=5)
    counts = {(round(one["latitude"]), abs(round(one["longitude"]))): one["count"] for one in told["clusters"]}
    assert counts == {(39, 9): 3, (-18, 180): 2, (-90, 12): 1, (60, 11): 1}
    assert (told["total"], told["placed"], told["unplaced"], told["inside"]) == (len(NAMES), 7, 5, 7)
    lisbon = told["clusters"][0]
    assert lisbon["place"]["said"] == "Lisbon, Portugal" and lisbon["image_id"] == 3
    assert shelf.client.get(lisbon["thumbnail"]).status_code == 200
    assert [one["place"] for one in told["clusters"] if one["latitude"] == -90] == [None]


def test_search_of_a_cluster_finds_its_pictures(shelf: Shelf) -> None:
    for query in ("", "red", "camera:Camera"):
        for one in asked(shelf, q=query, zoom=6)["clusters"]:
            assert len(found(shelf, one["search"])) == one["count"], one["search"]
    assert found(shelf, "near:Lisbon") == {1, 2, 3} and found(shelf, "near:-17.5,180,1") == {4, 5}


def test_window_and_query_are_heard(shelf: Shelf) -> None:
    assert asked(shelf, box="-30,170,0,-170", zoom=6)["inside"] == 2
    assert asked(shelf, box="30,-20,50,0", zoom=6)["inside"] == 3
    near = asked(shelf, q="near:Oslo,50", zoom=2)
    assert (near["total"], near["placed"], near["unplaced"], near["best_of"]) == (1, 1, 0, None)
    words = asked(shelf, q="red")
    assert words["total"] == len(NAMES) and words["best_of"] is None  # fewer than are cut
    assert asked(shelf, q="year:1066")["clusters"] == [] and asked(shelf, q="year:1066")["total"] == 0
    towns = asked(shelf, "/towns", box="38,-10,40,-8", limit=2)["towns"]
    assert [town["name"] for town in towns] == ["Lisbon", "Amadora"]


@pytest.mark.parametrize(
    "query",
    [
        {"box": "1,2,3"},
        {"box": "nan,0,1,1"},
        {"box": "10,0,5,1"},
        {"box": "-91,0,5,1"},
        {"box": "0,-181,5,1"},
        {"box": "inf,0,5,1"},
        {"zoom": "19"},
        {"zoom": "-1"},
        {"zoom": "x"},
        {"q": "near:Lisbonn"},
        {"q": "x" * 1001},
        {"around": "1"},
    ],
)
def test_wrong_parameters_are_refused_with_what_is_expected(shelf: Shelf, query: dict[str, str]) -> None:
    status, detail = asked(shelf, **query)
    assert status == 400 and detail


def test_pages_name_places_for_those_without_scripts(shelf: Shelf) -> None:
    page = shelf.client.get("/map").get_data(as_text=True)
    assert "7 of 12 pictures with a place" in page and "Lisbon, Portugal" in page and "near%3A38.71" in page
    assert "GeoNames" in page and "Natural Earth" in page
    assert "None of these pictures says where" in shelf.client.get("/map?q=-has:gps").get_data(as_text=True)
    assert "No picture has all of these filters" in shelf.client.get("/map?q=year:1066").get_data(as_text=True)
    assert shelf.client.get("/map?q=near:Lisbonn").status_code == 400
    picture = shelf.client.get("/pictures/1").get_data(as_text=True)
    assert "Lisbon, Portugal" in picture and "near:38.71000,-9.14000,1" in picture
    assert shelf.client.get("/api/v1/pictures/1").get_json()["place"]["name"] == "Lisbon"
    assert shelf.client.get("/api/v1/pictures/8").get_json()["place"] is None
    title = shelf.client.get("/api/v1/search?q=near:38.71,-9.14,5").get_json()["title"]
    assert title == "Pictures: within 5 km of Lisbon, Portugal"


def test_note_says_which_town_of_a_name_was_taken(shelf: Shelf) -> None:
    told = shelf.client.get("/api/v1/search?q=near:Lisbon").get_json()
    assert told["title"] == "Pictures: near Lisbon" and any(
        "taken as Lisbon, Portugal" in note for note in told["notes"]
    )


def test_token_of_a_program_is_enough(shelf: Shelf) -> None:
    for path in ("/api/v1/places", "/api/v1/places/towns"):
        assert shelf.programs.get(path).status_code == 200
        assert shelf.programs.get(path, headers={"Authorization": "Bearer no"}).status_code == 401
    assert TOKEN


def test_hidden_pictures_leave_the_map_at_once(shelf: Shelf) -> None:
    assert asked(shelf)["placed"] == 7
    with sqlite3.connect(shelf.store.path / "catalog.db") as database:
        database.execute(
            "INSERT INTO image_marks (mark, content_hash, made_at)"
            " SELECT 'hidden', content_hash, '2026-11-28' FROM images WHERE image_id = 7"
        )
    assert (asked(shelf)["placed"], asked(shelf, q="is:hidden")["placed"]) == (6, 1)
    with sqlite3.connect(shelf.store.path / "catalog.db") as database:
        database.execute("DELETE FROM image_marks")
    assert (asked(shelf)["placed"], asked(shelf, q="is:hidden")["placed"]) == (7, 0)


def test_places_are_read_as_filters_leave_them(shelf: Shelf) -> None:
    whole = read_places(shelf.store)
    assert whole.image_ids.tolist() == list(range(1, 8)) and whole.unplaced == 5
    assert np.array_equal(np.stack([whole.latitude, whole.longitude], 1), np.array(PLACES))
    far = read_places(shelf.store, Filters((Clause("near", (*LISBON, 100.0), unwanted=True),)))
    assert far.image_ids.tolist() == [4, 5, 6, 7] and far.unplaced == 5
    some = whole.among(np.array([2, 9, 2]))
    assert some.image_ids.tolist() == [2] and some.unplaced == 1 and math.isclose(some.latitude[0], 38.72)
