"""What somebody who means ill may send to the API: each must be refused, or answered without harm."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from colour_shelf import NAMES, paint
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

SECRET = "the secret beside the photos"
TRAVERSALS = [
    "../secret.txt",
    "..%2f..%2fsecret.txt",
    "%2e%2e/%2e%2e/secret.txt",
    "....//secret.txt",
    "..\\secret.txt",
    "/etc/passwd",
    "//etc/passwd",
    "file:///etc/passwd",
    "secret.txt\0.png",
    "~/secret.txt",
    "\u2025/secret.txt",
]
PATHS = [
    "/api/v1/pictures/{}",
    "/api/v1/pictures/{}/thumbnail",
    "/api/v1/pictures/{}/original",
    "/api/v1/pictures/1/thumbnail/{}",
    "/api/v1/pictures/1/original/{}",
    "/api/v1/pictures/1/original/../../{}",
    "/api/v1/jobs/{}",
    "/api/v1/{}",
    "/static/{}",
    "/{}",
]
PARAMETERS = {
    "/api/v1/search": ("q", "cursor", "limit", "rerank", "all"),
    "/api/v1/search/stream": ("q", "cursor"),
    "/api/v1/facets": ("q",),
    "/api/v1/failures": ("cursor", "limit"),
    "/api/v1/pictures/1/thumbnail": ("size",),
    "/api/v1/pictures/1/original": ("download",),
    "/api/v1/pictures/1/match": ("q",),
}


@pytest.fixture(scope="module")
def guarding(shelf: Any) -> Any:
    """A shelf with a secret beside its photos, in its library and in the folder above."""
    for folder in (shelf.photos.parent, shelf.photos, shelf.store.path, shelf.photos.parent.parent):
        (folder / "secret.txt").write_text(SECRET)
    return shelf


def upload(shelf: Any, content: bytes, **fields: str) -> Any:
    given = {"image": (io.BytesIO(content), "x.png"), **fields}
    return shelf.client.post("/api/v1/search", data=given)


def png(width: int, height: int, depth: int = 8, data: bytes = b"") -> bytes:
    """A PNG that claims a size, whatever it holds."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_out_of_the_library(guarding: Any, path: str) -> None:
    for traversal in TRAVERSALS:
        for spelled in (traversal, quote(traversal, safe=""), quote(quote(traversal, safe=""), safe="")):
            answer = guarding.client.get(path.format(spelled))
            assert answer.status_code in (301, 302, 308, 400, 404, 405) or "thumbnail/" in path, (path, spelled)
            assert SECRET.encode() not in answer.data and b"root:" not in answer.data
            answer.close()


@pytest.mark.parametrize("path", PARAMETERS)
def test_no_parameter_reads_a_file(guarding: Any, path: str) -> None:
    secret = guarding.photos.parent / "secret.txt"
    for name in PARAMETERS[path]:
        for value in [
            *TRAVERSALS,
            str(secret),
            f"similar:{secret}",
            f'like:"{secret}"',
            f"similar:{guarding.photos / NAMES[0]}",
        ]:
            answer = guarding.client.get(path, query_string={"q": "red", name: value})
            assert answer.status_code in (200, 400), (path, name, value)
            assert SECRET.encode() not in answer.data and b"root:" not in answer.data
            if name == "q" and value.startswith(("similar:", "like:")):
                assert answer.status_code == 400 or b"event: problem" in answer.data
            answer.close()


@pytest.mark.parametrize("named", ["similar:", "like:", "SIMILAR:", 'like:"', "similar:\u0661", "similar:" + "1" * 19])
def test_only_an_id_names_a_picture_to_compare_with(guarding: Any, named: str) -> None:
    for path in ("/api/v1/search", "/api/v1/facets"):
        for q in (f"red {named}{guarding.photos / NAMES[0]}", f"{named}photo.jpg", f"{named}~ year:2019", f"{named}."):
            answer = guarding.client.get(path, query_string={"q": q})
            assert answer.status_code == 400 and b"number" in answer.data, (path, q)


def test_an_upload_over_the_limit_is_refused(guarding: Any) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="x.png"\r\n\r\n'
    body = head + bytes(32_000_001) + b"\r\n--x--\r\n"
    answer = guarding.client.post("/api/v1/search", data=body, content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 413 and answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    "content",
    [
        png(60_000, 60_000, data=zlib.compress(bytes(100))),
        png(2**31 - 1, 2**31 - 1),
        png(30_000, 30_000, data=zlib.compress(bytes(50_000_000), 9)),
        b"GIF89a"
        + struct.pack("<HH", 65535, 65535)
        + b"\xf0\0\0"
        + bytes(6)
        + b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02D\x01\0;",
        b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + b"\xff\xff\xff" * 2,
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        b"<html><script>alert(1)</script></html>",
        b"%!PS-Adobe-3.0\n(/etc/passwd) (r) file",
        b"\xff\xd8\xff\xe0" + bytes(1000),
        b"version https://git-lfs.github.com/spec/v1\n",
        b"PK\x03\x04" + bytes(100),
    ],
)
def test_an_upload_that_is_a_bomb_or_no_picture_is_refused_with_a_reason(guarding: Any, content: bytes) -> None:
    answer = upload(guarding, content)
    assert answer.status_code == 422, answer.data
    assert answer.content_type == "application/problem+json" and answer.get_json(force=True)["detail"]


@settings(max_examples=40, deadline=None)
@given(damage=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8), cut=st.integers(0, 400))
def test_a_damaged_upload_is_answered_or_refused(guarding: Any, damage: list[tuple[int, int]], cut: int) -> None:
    content = bytearray((guarding.photos / "a/red two.jpg").read_bytes())
    for place, value in damage:
        content[place % len(content)] = value
    answer = upload(guarding, bytes(content[: len(content) - cut]))
    assert answer.status_code in (200, 422)


def test_odd_forms_are_refused(guarding: Any) -> None:
    post = guarding.client.post
    picture = (guarding.photos / NAMES[0]).read_bytes()
    kinds = {"content_type": "multipart/form-data; boundary=x"}
    for answer in (
        post("/api/v1/search"),
        post("/api/v1/search", data={"q": "red"}),
        post("/api/v1/search", data={"image": "a text, not a file"}),
        post("/api/v1/search", data=picture, content_type="image/png"),
        post("/api/v1/search", data=b"--x\r\nContent-Disposition: form-data; name=image\r\n\r\nrubbish", **kinds),
        post("/api/v1/search", data=b"--x--", **kinds),
        post("/api/v1/search", data=b"\0" * 1000, **kinds),
        post("/api/v1/search", data={f"part{n}": "x" for n in range(1000)}),
        post("/api/v1/search", data={"image": (io.BytesIO(picture), "x"), "q": "x" * 200_000}),
        post("/api/v1/search", data={"image": (io.BytesIO(picture), "x"), "q": "similar:1"}),
        post("/api/v1/search", data={"image": (io.BytesIO(picture), "x"), "q": "similar:/etc/passwd"}),
        post("/api/v1/search", data={"image": (io.BytesIO(picture), "x"), "limit": "-5"}),
    ):
        assert answer.status_code in (400, 413, 415), answer.data
        assert answer.content_type == "application/problem+json"


def test_the_name_of_an_upload_means_nothing(guarding: Any) -> None:
    picture = (guarding.photos / NAMES[0]).read_bytes()
    before = sorted(path for path in guarding.store.path.rglob("*"))
    for name in ("../../../secret.txt", "/etc/passwd", "a\0b", "x" * 5000, "<b>.png", ".."):
        given = {"image": (io.BytesIO(picture), name), "limit": "1"}
        assert guarding.client.post("/api/v1/search", data=given).status_code == 200
    after = sorted(path for path in guarding.store.path.rglob("*"))
    assert [path for path in after if path not in before and "catalog" not in path.name] == []


def markup_names() -> Iterator[str]:
    yield "red <script>alert(1)</script>.png"
    yield "red \"'><img src=x onerror=alert(1)>.png"
    yield "red\r\nSet-Cookie: a=b.png"
    yield "red \u202egnp.exe.png"


def test_names_of_files_stay_text(make_shelf: Callable[..., Any], tmp_path: Path) -> None:
    names = [name.replace("/", "\u2215") for name in markup_names()]
    shelf = make_shelf(names)
    answer = shelf.client.get("/api/v1/search?q=red")
    assert answer.mimetype == "application/json"
    assert {hit["name"] for hit in answer.get_json()["hits"]} == set(names)
    for name in names:
        sent = shelf.client.get(f"/api/v1/pictures/{shelf.id_of(name)}/original?download=1")
        assert sent.status_code == 200 and "Set-Cookie" not in sent.headers
        disposition = sent.headers["Content-Disposition"]
        assert disposition.isprintable() and "<" not in disposition.partition("''")[2]
        sent.close()


def test_a_page_renamed_as_a_picture_is_never_sent(make_shelf: Callable[..., Any]) -> None:
    """Even where its size and its date are those of the picture that was indexed."""
    import os

    shelf = make_shelf(NAMES[:1])
    path = shelf.photos / NAMES[0]
    status = path.stat()
    page = b"<html><script>alert(1)</script>".ljust(status.st_size)
    path.write_bytes(page)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    answer = shelf.client.get("/api/v1/pictures/1/original")
    assert answer.mimetype == "application/octet-stream" and answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    answer.close()
    assert shelf.client.get("/api/v1/pictures/1/thumbnail").status_code == 410


def test_a_picture_that_grew_into_a_bomb_is_no_thumbnail(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf(NAMES[:1])
    Image.fromarray(np.zeros((10, 10, 3), np.uint8)).save(shelf.photos / "x.png")
    (shelf.photos / NAMES[0]).write_bytes(png(60_000, 60_000))
    assert shelf.client.get("/api/v1/pictures/1/thumbnail").status_code == 410


def test_cursors_of_another_query_or_of_nobody_are_refused(guarding: Any) -> None:
    import base64

    cursor = guarding.client.get("/api/v1/search?q=red&limit=2").get_json()["next_cursor"]
    assert (
        guarding.client.get("/api/v1/search", query_string={"q": "blue", "limit": 2, "cursor": cursor}).status_code
        == 400
    )
    for plain in (b"[]", b"[1]", b'[-1,1,"x"]', b"[1e400,1,null]", b"{}", b"[" * 300, b'[0,"1","1"]', b"null", b"\xff"):
        forged = base64.urlsafe_b64encode(plain).decode()
        for path in ("/api/v1/search", "/api/v1/failures"):
            answer = guarding.client.get(path, query_string={"q": "red", "cursor": forged})
            assert answer.status_code == 400, (path, plain)


def test_an_offset_beyond_all_reason_costs_nothing(guarding: Any) -> None:
    import base64
    import json

    cursor = guarding.client.get("/api/v1/search?q=red&limit=2").get_json()["next_cursor"]
    _, generation, digest = json.loads(base64.urlsafe_b64decode(cursor + "=="))
    for far in (10**9, 10**18, 10**30):
        forged = base64.urlsafe_b64encode(json.dumps([far, generation, digest]).encode()).decode()
        answer = guarding.client.get("/api/v1/search", query_string={"q": "red", "limit": 2, "cursor": forged})
        assert answer.status_code == 400 or answer.get_json()["hits"] == []


def test_every_answer_forbids_sniffing_framing_and_scripts(guarding: Any) -> None:
    for path in (
        "/api/v1/search?q=red",
        "/api/v1/pictures/1/original",
        "/api/v1/pictures/1/thumbnail",
        "/api/v1/nothing",
    ):
        answer = guarding.client.get(path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.headers["X-Frame-Options"] == "DENY"
        assert "default-src" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        answer.close()


def test_without_a_token_no_route_of_the_api_answers(guarding: Any) -> None:
    app = guarding.programs.application
    stranger = app.test_client()
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/"):
            path = rule.rule.replace("<int:image_id>", "1").replace("<int:job_id>", "1").replace("<version>", "x")
            for method in (rule.methods or set()) - {"OPTIONS"}:
                answer = stranger.open(path, method=method)
                assert answer.status_code in (401, 403), (method, path)


def test_a_new_picture_is_not_shown_before_it_is_indexed(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf(NAMES[:1])
    paint(shelf.photos / "red new.png", 20)
    assert shelf.client.get("/api/v1/pictures/2/original").status_code == 404
