"""Albums, favourites and hidden pictures over the API, and in every answer."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from colour_shelf import NAMES


@pytest.fixture
def shelf(make_shelf: Callable[..., Any]) -> Any:
    return make_shelf()


def send(shelf: Any, method: str, path: str, **body: Any) -> Any:
    answer = getattr(shelf.programs, method)(f"/api/v1{path}", **({"json": body} if body else {}))
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()


def ids(shelf: Any, q: str, **more: Any) -> list[int]:
    answer = send(shelf, "get", f"/search?limit=100&q={q}" + "".join(f"&{key}={value}" for key, value in more.items()))
    return [hit["image_id"] for hit in answer["hits"]]


def test_albums_are_made_filled_renamed_deleted_and_brought_back(shelf: Any) -> None:
    album = send(shelf, "post", "/albums", name="Rome 2019", ids=[1, 2])
    assert album["count"] == 2 and album["search"] == 'album:"Rome 2019"' and "/thumbnail/" in album["cover"]
    path = f"/albums/{album['id']}"
    assert send(shelf, "post", f"{path}/pictures", ids=[2, 3])["changed"] == [3]
    assert send(shelf, "post", f"{path}/pictures", ids=[1], inside=False)["album"]["count"] == 2
    assert send(shelf, "patch", path, name="Roma")["name"] == "Roma"
    assert sorted(ids(shelf, "album:roma")) == [2, 3]
    assert send(shelf, "get", "/search?q=album:roma")["title"] == "roma"
    assert send(shelf, "get", "/pictures/3")["albums"] == [{"id": album["id"], "name": "Roma", "search": "album:Roma"}]
    assert send(shelf, "delete", path)["name"] == "Roma"
    assert send(shelf, "get", "/albums")["albums"] == [] and ids(shelf, "album:roma") == []
    assert shelf.programs.patch(f"/api/v1{path}", json={"name": "x"}).status_code == 404
    assert send(shelf, "post", f"{path}/restore")["count"] == 2
    document = send(shelf, "get", "/albums/export")
    assert [len(one["pictures"]) for one in document["albums"]] == [2]


def test_an_album_is_one_zip_without_hidden_pictures(shelf: Any) -> None:
    album = send(shelf, "post", "/albums", name='Rome "2019"/ü', ids=[1, 2, 3])
    send(shelf, "post", "/marks", mark="hidden", ids=[2])
    answer = shelf.programs.get(f"/api/v1/albums/{album['id']}/zip")
    assert "filename*=UTF-8''Rome%20%222019%22_%C3%BC.zip" in answer.headers["Content-Disposition"]
    paths = shelf.service.store.all_paths([1, 3])
    with zipfile.ZipFile(io.BytesIO(answer.data)) as packed:
        assert [packed.read(name) for name in packed.namelist()] == [paths[one][0].read_bytes() for one in (1, 3)]
    empty = send(shelf, "post", "/albums", name="Nothing yet")
    for gone in (empty["id"], "0" * 16):
        assert shelf.programs.get(f"/api/v1/albums/{gone}/zip").status_code == 404
    for _ in range(3):  # no place is lost by those that only look
        head = shelf.programs.head(f"/api/v1/albums/{album['id']}/zip")
        head.close()  # as a server does
        assert head.status_code == 200 and not head.data
        assert shelf.programs.get(f"/api/v1/albums/{album['id']}/zip?ids=1").status_code == 400


def test_favourites_are_one_zip_without_hidden_pictures(shelf: Any) -> None:
    assert shelf.programs.get("/api/v1/favourites/zip").status_code == 404
    send(shelf, "post", "/marks", mark="favourite", ids=[1, 2, 3])
    send(shelf, "post", "/marks", mark="hidden", ids=[2])
    answer = shelf.programs.get("/api/v1/favourites/zip")
    assert 'filename="Favourites.zip"' in answer.headers["Content-Disposition"]
    paths = shelf.service.store.all_paths([1, 3])
    with zipfile.ZipFile(io.BytesIO(answer.data)) as packed:
        read = {packed.read(name) for name in packed.namelist()}
    assert read == {paths[one][0].read_bytes() for one in (1, 3)}


def test_hidden_pictures_are_in_no_answer(shelf: Any) -> None:
    everything = ids(shelf, "width:>0")
    hidden = ids(shelf, "red", all=1)[0]
    before = send(shelf, "get", "/search?q=red&all=1")["total"]
    assert send(shelf, "post", "/marks", mark="hidden", ids=[hidden, 999])["changed"] == [hidden]
    for q in ("width:>0", "red", "similar:3", "red -blue", "type:png", "year:2000-2030"):
        for more in ({}, {"all": 1}, {"sort": "name"}):
            assert hidden not in ids(shelf, q, **more), (q, more)
    assert len(ids(shelf, "width:>0")) == len(everything) - 1
    assert send(shelf, "get", "/search?q=red&all=1")["total"] == before - 1
    assert ids(shelf, "is:hidden") == ids(shelf, "red is:hidden") == [hidden]
    assert send(shelf, "get", "/search?q=is:hidden")["hits"][0]["hidden"] is True
    assert hidden not in [hit["image_id"] for hit in send(shelf, "get", "/timeline?limit=100")["hits"]]
    assert send(shelf, "get", "/timeline/months")["total"] == len(everything) - 1
    assert send(shelf, "get", f"/pictures/{hidden}")["hidden"] is True
    assert send(shelf, "post", "/marks", mark="hidden", ids=[hidden], on=False)["changed"] == [hidden]
    assert hidden in ids(shelf, "red", all=1)


def test_favourites_are_told_with_every_hit(shelf: Any) -> None:
    assert send(shelf, "post", "/marks", mark="favourite", ids=[2, 5])["changed"] == [2, 5]
    assert sorted(ids(shelf, "is:favourite")) == [2, 5] and len(ids(shelf, "-is:favorite")) == len(NAMES) - 2
    marked = {hit["image_id"]: hit["favourite"] for hit in send(shelf, "get", "/search?limit=100")["hits"]}
    assert [image_id for image_id, yes in sorted(marked.items()) if yes] == [2, 5]
    assert send(shelf, "get", "/albums")["favourites"]["count"] == 2
    send(shelf, "post", "/albums", name="Rome 2019", ids=[3])
    (offer,) = send(shelf, "get", "/alternatives?q=album:Rom")["alternatives"]
    assert offer == {"text": "Rome 2019", "search": 'album:"Rome 2019"', "count": 1}
    page = shelf.client.get("/albums").get_data(as_text=True)
    assert "Favourites" in page and "q=is%3Afavourite" in page


def test_wrong_changes_are_refused_and_change_nothing(shelf: Any) -> None:
    for path, body in (
        ("/marks", {"mark": "liked", "ids": [1]}),
        ("/marks", {"mark": "hidden", "ids": []}),
        ("/marks", {"mark": "hidden", "ids": [1], "on": 1}),
        ("/marks", {"mark": "hidden", "ids": [1], "off": True}),
        ("/albums", {"name": ""}),
        ("/albums", {"name": 5}),
        ("/albums", {"name": "a", "ids": [True]}),
        ("/albums", []),
    ):
        answer = shelf.programs.post(f"/api/v1{path}", json=body)
        assert answer.status_code == 400 and answer.mimetype == "application/problem+json", (path, body)
    send(shelf, "post", "/albums", name="a")
    assert shelf.programs.post("/api/v1/albums", json={"name": "A"}).status_code == 400
    assert shelf.programs.post("/api/v1/albums/0123456789abcdef/restore").status_code == 404
    assert shelf.programs.post("/api/v1/marks", data="x", content_type="text/plain").status_code == 415
    for path in ("/marks", "/albums"):
        assert shelf.client.post(f"/api/v1{path}", json={"name": "b"}).status_code == 403, "no token of the page"
        foreign = {"Origin": "http://evil.example"}
        assert shelf.programs.post(f"/api/v1{path}", json={"name": "b"}, headers=foreign).status_code == 403
    assert [album["name"] for album in send(shelf, "get", "/albums")["albums"]] == ["a"]
