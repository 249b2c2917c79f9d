"""What goes over the wire, through the real server: gzip, ETags, kept connections, refusals, and the API's manners."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest

from web.http.context import DRAINING
from web.http.routes.openapi import document
from web.problems import refusal_of
from web.server import Server


@pytest.fixture(scope="module")
def address(shelf: Any) -> Iterator[str]:
    """The shelf behind the real server."""
    import threading

    app = shelf.app
    options: dict[str, Any] = {"threads": 4, "max_body_bytes": 1_000_000, "draining": app.extensions[DRAINING]}
    server = Server(app, "127.0.0.1", 0, refusing=refusal_of(app), **options)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.address[1]}"
    server.stop()
    thread.join(20)


class Client:
    """One connection that is kept; ``kept`` says whether the last answer left it open."""

    def __init__(self, address: str) -> None:
        self.connection = http.client.HTTPConnection(address, timeout=30)

    def get(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[Any, bytes]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, given)
        answer = self.connection.getresponse()
        return answer, answer.read()

    @property
    def kept(self) -> bool:
        return self.connection.sock is not None


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    made = Client(address)
    with closing(made.connection):
        yield made


@pytest.mark.parametrize("path", ["/", "/api/v1/search?q=red", "/static/css/base.css", "/api/v1/openapi.json"])
def test_text_is_packed_for_clients_that_take_it(client: Client, path: str) -> None:
    answer, content = client.get(path, Accept_Encoding="br, gzip")
    assert answer.getheader("Content-Encoding") == "gzip" and "Accept-Encoding" in answer.getheader("Vary")
    for refusing in ("gzip;q=0", "identity", "br", ""):
        plain, whole = client.get(path, Accept_Encoding=refusing)
        assert plain.getheader("Content-Encoding") is None and "Accept-Encoding" in plain.getheader("Vary")
        assert len(whole) > len(content) and int(plain.getheader("Content-Length")) == len(whole)
    if "search" not in path and path != "/":  # times, and the page's masked token, differ each time
        assert gzip.decompress(content) == whole


def test_streams_and_pictures_are_not_packed(client: Client) -> None:
    answer, events = client.get("/api/v1/search/stream?q=red", Accept_Encoding="gzip")
    assert answer.getheader("Content-Encoding") is None and b"event: itm" in events
    answer, _ = client.get("/api/v1/pictures/1/thumbnail", Accept_Encoding="gzip")
    assert answer.getheader("Content-Encoding") is None
    answer, body = client.get("/", method="HEAD", Accept_Encoding="gzip")
    assert answer.status == 200 and body == b""


@pytest.mark.parametrize(
    "path",
    ["/api/v1/search?q=red", "/api/v1/pictures/1", "/api/v1/status", "/api/v1/facets", "/api/v1/pictures/1/thumbnail"],
)
def test_what_a_client_has_is_not_sent_again_and_the_connection_stays(client: Client, path: str) -> None:
    first, _ = client.get(path, Accept_Encoding="gzip")
    tag, socket = first.getheader("ETag"), client.connection.sock
    again, body = client.get(path, Accept_Encoding="gzip", If_None_Match=tag)
    assert (again.status, body, again.getheader("ETag")) == (304, b"", tag)
    assert client.kept and client.connection.sock is socket
    other, _ = client.get(path, If_None_Match='W/"another"')
    assert other.status == 200
    closed, _ = client.get(path, If_None_Match=tag, Connection="close")
    assert closed.status == 304 and closed.getheader("Connection") == "close" and not client.kept


def test_assets_are_kept_for_ever_under_the_name_of_their_content(client: Client, shelf: Any) -> None:
    page = shelf.client.get("/").text
    sheet = page.split('rel="stylesheet" href="')[1].split('"')[0]
    answer, content = client.get(sheet)
    assert "immutable" in answer.getheader("Cache-Control") and b".bar {" in content and b".grid {" in content
    for wrong in ("css/base+base.css", "css/base+nothing.css", "../__init__.py", "js/dom+grid.js", "css/base+.css"):
        answer, _ = client.get(f"/static/{sheet.split('/')[2]}/{wrong}")
        assert answer.status == 404
    old, _ = client.get(sheet.replace(sheet.split("/")[2], "0" * 12))
    assert old.status == 200 and old.getheader("Cache-Control") == "no-cache"


@pytest.mark.parametrize(("accept", "kind"), [("text/html", "text/html"), ("application/json", "application/problem")])
def test_refusals_of_the_server_look_like_the_apps(client: Client, accept: str, kind: str) -> None:
    for path, status in (("/?q=" + "a" * 40_000, 431), ("/nowhere", 404)):
        answer, body = client.get(path, Accept=accept)
        if status == 431 and kind != "text/html":
            answer, body = client.get("/api/v1/search?q=" + "a" * 40_000)
        assert answer.status == status and answer.getheader("Content-Type").startswith(kind)
        assert answer.getheader("X-Content-Type-Options") == "nosniff" and b"waitress" not in body
        client.connection.close()
    sent, body = client.get("/api/v1/search", method="POST", body=bytes(3_000_000), Accept=accept)
    assert sent.status == 413 and json.loads(body)["hint"]


def test_the_library_is_listed_sorted_counted_and_paged_by_links(shelf: Any) -> None:
    get = shelf.client.get
    newest = get("/api/v1/search").get_json()
    assert newest["order"] == "newest" and newest["query"] == "" and newest["complete"] and newest["total"] == 12
    address, seen = "/api/v1/search?limit=5&sort=oldest", []
    while address:
        answer = get(address)
        told = answer.get_json()
        assert told["total"] == 12 and told["complete"] == (told["next_cursor"] is None)
        seen += told["hits"]
        link = answer.headers.get("Link", "")
        assert not link or link.endswith('>; rel="next"')
        address = link.partition(">")[0].removeprefix("<")
    dates = [hit["taken_at"] for hit in seen if hit["taken_at"]]
    assert [hit["rank"] for hit in seen] == list(range(1, 13)) and dates == sorted(dates) and len(dates) == 2
    assert all(hit["taken_at"] for hit in seen[:2]), "undated ones come last"
    by_name = [hit["name"] for hit in get("/api/v1/search?q=red&sort=name").get_json()["hits"]]
    by_name = [name for name in by_name if "?" not in name]  # bytes that are no text sort behind all text
    assert by_name == sorted(by_name, key=str.casefold) and len(by_name) == 11
    red = get("/api/v1/search?q=red&limit=3").get_json()
    assert red["settled"] and not red["complete"] and red["total"] == 12 and red["title"] == "red"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/api/v1/search?q=red&limt=5", "limit may be meant"),
        ("/api/v1/search?q=red&sort=size", "expected one of best"),
        ("/api/v1/search?q=red&q=blue", "twice"),
        ("/api/v1/status?x=1", "expected none"),
        ("/api/v1/pictures/1?size=large", "got the parameter 'size'"),
        ("/api/v1/motion?ids=a", "expected 1 to 100 numbers"),
    ],
)
def test_what_is_not_known_is_refused(shelf: Any, path: str, told: str) -> None:
    answer = shelf.client.get(path)
    assert answer.status_code == 400 and told in answer.get_json()["detail"]


def test_bodies_of_another_type_are_refused(shelf: Any) -> None:
    post = shelf.programs.post
    for path, kind in (("jobs", "text/plain"), ("duplicates/decisions", "text/xml"), ("search", "application/json")):
        answer = post(f"/api/v1/{path}", data=b"{}", content_type=kind)
        assert answer.status_code == 415 and kind in answer.get_json()["detail"]
    answer = post("/api/v1/jobs", json={"kind": "index", "folder": ["/x"]})
    assert answer.status_code == 400 and "folders may be meant" in answer.get_json()["detail"]
    for outside in ("/etc", f"{shelf.photos}/../..", "a"):  # the page may read none of them
        answer = post("/api/v1/jobs", json={"kind": "index", "folders": [outside]})
        assert answer.status_code == 403, outside


def test_alternatives_name_the_nearest_that_exists(shelf: Any) -> None:
    for query, some in (("red year:1999 folder:zz", "red year:2019"), ("year:1999 type:jpg", "type:jpg year:2019")):
        found = shelf.client.get("/api/v1/alternatives?q=" + quote(query)).get_json()["alternatives"]
        assert some in [one["search"] for one in found]
        for one in found:
            counted = shelf.client.get("/api/v1/search", query_string={"q": one["search"]}).get_json()["total"]
            assert counted > 0 and one["count"] in (None, counted)


def test_every_operation_is_described_and_its_examples_fit() -> None:
    import jsonschema_rs

    whole = document()
    for path, operations in whole["paths"].items():
        for operation in operations.values():
            assert operation["description"] and all(each["description"] for each in operation["parameters"]), path
            for answer in operation["responses"].values():
                for told in answer.get("content", {}).values():
                    if "example" in told and "schema" in told and "oneOf" not in told["schema"]:
                        schema = {**told["schema"], "components": whole["components"]}
                        if "properties" not in schema:  # that of an event stream describes one event
                            jsonschema_rs.validate(schema, told["example"])


def test_a_token_differs_in_every_page(shelf: Any) -> None:
    client = shelf.app.test_client()
    told = [client.get("/library").text.split('name="csrf-token" content="')[1].split('"')[0] for _ in range(2)]
    assert told[0] != told[1] and len(told[0]) == 96
    for token in (*told, told[0][:-1] + ("0" if told[0][-1] != "0" else "1"), told[0][:48], "", "zz"):
        answer = client.post("/api/v1/jobs", json={"kind": "nothing"}, headers={"X-CSRF-Token": token})
        assert answer.status_code == (400 if token in told else 403)


def test_films_lie_beside_their_picture_and_are_films(make_shelf: Any) -> None:
    film = b"\0\0\0\x18ftypqt  \0\0\0\0qt  mp42" + bytes(range(200))
    shelf = make_shelf(["a/red one.jpg", "a/blue two.jpg", "a/green three.jpg"])
    (shelf.photos / "a/red one.MOV").write_bytes(film)
    (shelf.photos / "a/blue two.mov").write_bytes(b"<html>no film</html>" * 9)
    (shelf.photos / "a/green three.mov").symlink_to("/dev/zero")
    (shelf.photos / "red one.mov").write_bytes(film)
    ids = [shelf.id_of(f"a/{name}.jpg") for name in ("red one", "blue two", "green three")]
    told = shelf.client.get(f"/api/v1/motion?ids={','.join(map(str, ids))}").get_json()["motion"]
    assert [(one["image_id"], one["kind"], one["size_bytes"]) for one in told] == [(ids[0], "film", len(film))]
    whole = shelf.client.get(told[0]["source"])
    assert whole.data == film and whole.mimetype == "video/mp4" and "default-src 'none'" in str(whole.headers)
    part = shelf.client.get(told[0]["source"], headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.data) == (206, b"ftyp")
    assert shelf.client.get(f"/api/v1/pictures/{ids[1]}/film").status_code == 404
    (shelf.photos / "a/red one.MOV").unlink()
    assert shelf.client.get(told[0]["source"]).status_code == 410


def test_motion_photos_are_played_from_within(make_shelf: Any) -> None:
    film = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(range(100))
    shelf = make_shelf(["a/red one.jpg"])
    path = shelf.photos / "a/red moving.jpg"
    path.write_bytes((shelf.photos / "a/red one.jpg").read_bytes() + film)
    shelf.add(["a/red moving.jpg"])
    (told,) = shelf.client.get(f"/api/v1/motion?ids={shelf.id_of('a/red moving.jpg')}").get_json()["motion"]
    assert told["kind"] == "film" and shelf.client.get(told["source"]).data == film


def test_full_size_is_what_the_client_shows(make_shelf: Any) -> None:
    from PIL import Image

    shelf = make_shelf(["a/red one.jpg"])
    Image.new("RGB", (70, 50), "red").save(shelf.photos / "red.avif")
    Image.new("RGB", (71, 50), "red").convert("P").save(shelf.photos / "red.bmp")
    shelf.add(["red.avif", "red.bmp"])
    path = f"/api/v1/pictures/{shelf.id_of('red.avif')}/full"
    shown = shelf.client.get(path, headers={"Accept": "image/avif,image/webp,*/*;q=0.8"})
    other = shelf.client.get(path, headers={"Accept": "*/*"})
    assert shown.status_code == 307 and "Accept" in shown.headers["Vary"]
    assert (other.status_code, other.mimetype) == (200, "image/jpeg") and "Accept" in other.headers["Vary"]
    bitmap = shelf.photos / "red.bmp"
    plain = bitmap.read_bytes()
    address = f"/api/v1/pictures/{shelf.id_of('red.bmp')}/full"
    assert shelf.client.get(address).status_code == 307
    assert plain[30:34] == bytes(4), "not compressed"


def test_panoramas_have_thumbnails_as_high_as_others(make_shelf: Any) -> None:
    import io

    from PIL import Image

    shelf = make_shelf(["a/red one.jpg"])
    sizes = {"wide.png": (4000, 400), "tall.png": (300, 3000), "longest.png": (6000, 100), "usual.png": (1600, 900)}
    for name, size in sizes.items():
        Image.new("RGB", size, "navy").save(shelf.photos / name)
    shelf.add(list(sizes))
    made = {}
    for name in sizes:
        address = f"/api/v1/pictures/{shelf.id_of(name)}/thumbnail"
        made[name] = [
            Image.open(io.BytesIO(shelf.client.get(f"{address}?size={size}").data)).size
            for size in ("small", "medium", "large")
        ]
    assert made["wide.png"] == [(1800, 180), (3200, 320), (4000, 400)] and made["tall.png"][0] == (180, 1800)
    assert made["longest.png"][0][0] == 2048 and made["usual.png"] == [(320, 180), (640, 360), (1280, 720)]
