"""Thumbnails and originals: the right bytes, the right headers, and nothing that was not indexed."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colour_shelf import NAMES
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgsearch.storage import FilePlace, writing
from web.http.routes import images
from web.http.routes.images import OpenFilePart, Thumbnails

TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".gif": "image/gif", ".bmp": "image/bmp", ".webp": "image/webp"}


def original(shelf: Any, name: str, query: str = "", **headers: str) -> Any:
    return shelf.client.get(
        f"/api/v1/pictures/{shelf.id_of(name)}/original{query}",
        headers={key.replace("_", "-"): value for key, value in headers.items()},
    )


def test_a_thumbnail_shows_the_picture_small(shelf: Any) -> None:
    for size in ("small", "medium", "large"):
        answer = shelf.client.get(f"/api/v1/pictures/{shelf.id_of('a/red one.png')}/thumbnail?size={size}")
        assert answer.mimetype == "image/webp"
        image = Image.open(io.BytesIO(answer.data))
        assert image.format == "WEBP" and image.size == (60, 40)
        assert np.asarray(image)[20, 50, 0] > 150


def test_a_thumbnail_under_its_version_is_kept_for_ever_and_else_asked_for_again(shelf: Any) -> None:
    hit = shelf.client.get("/api/v1/search?q=red").get_json()["hits"][0]
    kept = shelf.client.get(hit["thumbnail"])
    assert kept.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    plain = shelf.client.get(f"/api/v1/pictures/{hit['image_id']}/thumbnail")
    other = shelf.client.get(f"/api/v1/pictures/{hit['image_id']}/thumbnail/0123456789abcdef")
    assert plain.headers["Cache-Control"] == other.headers["Cache-Control"] == "private, no-cache"
    assert kept.data == plain.data == other.data
    digest = shelf.store.images([hit["image_id"]])[hit["image_id"]].facts.content_hash
    assert digest in kept.headers["ETag"]
    again = shelf.client.get(hit["thumbnail"], headers={"If-None-Match": kept.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    large = shelf.client.get(f"{hit['thumbnail']}?size=large", headers={"If-None-Match": kept.headers["ETag"]})
    assert large.status_code == 200


def test_a_thumbnail_of_no_known_size_is_refused(shelf: Any) -> None:
    for size in ("huge", "", "../../etc", "320"):
        assert shelf.client.get("/api/v1/pictures/1/thumbnail", query_string={"size": size}).status_code == 400


def test_a_kept_thumbnail_outlives_its_file_and_a_new_one_needs_it(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf(NAMES[:2])
    one, two = (f"/api/v1/pictures/{shelf.id_of(name)}/thumbnail" for name in NAMES[:2])
    assert shelf.client.get(one).status_code == 200
    for name in NAMES[:2]:
        (shelf.photos / name).unlink()
    assert shelf.client.get(one).status_code == 200
    gone = shelf.client.get(two)
    assert gone.status_code == 410 and b"the file is gone" in gone.data and b"imgsearch index" in gone.data


def test_a_thumbnail_is_made_of_what_was_indexed_or_not_at_all(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf(NAMES[:1])
    Image.new("RGB", (50, 50), "yellow").save(shelf.photos / NAMES[0])
    answer = shelf.client.get("/api/v1/pictures/1/thumbnail")
    assert answer.status_code == 410 and b"has changed since it was indexed" in answer.data
    assert not list(shelf.store.layout.thumbs.rglob("*.webp"))


def test_another_place_of_the_same_content_serves_when_the_first_is_gone(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf(NAMES[:1])
    copy = shelf.photos / "z copy.png"
    copy.write_bytes((shelf.photos / NAMES[0]).read_bytes())
    with writing(shelf.store) as writer, writer.transaction() as tx:
        status = copy.stat()
        tx.place_files([(FilePlace(1, "z copy.png", status.st_size, status.st_mtime_ns), 1)])
        tx.commit()
    (shelf.photos / NAMES[0]).unlink()
    assert shelf.client.get("/api/v1/pictures/1/thumbnail").status_code == 200
    assert shelf.client.get("/api/v1/pictures/1/original").data == copy.read_bytes()


def test_a_thumbnail_that_many_want_at_once_is_made_once(tmp_path: Path, shelf: Any) -> None:
    from imgsearch.storage.caches.thumbnails import ThumbStore
    from imgsearch.storage.reads.gallery import read_picture

    made, begun = [], threading.Barrier(6)

    class Slow(Thumbnails):
        def _make(self, picture: Any, size: str) -> bytes:
            made.append(size)
            threading.Event().wait(0.2)
            return super()._make(picture, size)

    thumbnails, picture, found = Slow(ThumbStore(tmp_path, "1", 10**6), 2), read_picture(shelf.store, 1), []

    def ask() -> None:
        begun.wait()
        found.append(thumbnails.of(picture, "small"))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1 and len(found) == 6 and made == ["small"]


def test_thumbnails_that_wait_too_long_are_refused_for_now(
    make_shelf: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf, begun, go_on = make_shelf(NAMES[:2]), threading.Event(), threading.Event()
    make = images._first_that_works
    monkeypatch.setattr(images, "_WAIT_S", 0.05)
    monkeypatch.setattr(images, "_first_that_works", lambda *given: (begun.set(), go_on.wait(30), make(*given))[2])
    monkeypatch.setattr(images.os, "cpu_count", lambda: 1)
    answers: list[int] = []
    path = f"/api/v1/pictures/{shelf.id_of(NAMES[0])}/thumbnail"
    first = threading.Thread(target=lambda: answers.append(shelf.app.test_client().get(path).status_code))
    first.start()
    assert begun.wait(30)
    for other in (path, f"/api/v1/pictures/{shelf.id_of(NAMES[1])}/thumbnail"):  # the same one, and another
        refused = shelf.client.get(other)
        assert refused.status_code == 503 and int(refused.headers["Retry-After"]) > 0
    go_on.set()
    first.join()
    assert answers == [200] and shelf.client.get(path).status_code == 200


@pytest.mark.parametrize("name", NAMES)
def test_an_original_comes_byte_for_byte_with_its_type(shelf: Any, name: str) -> None:
    content = (shelf.photos / name).read_bytes()
    answer = original(shelf, name)
    assert answer.data == content and answer.content_length == len(content)
    assert answer.mimetype == TYPES.get(Path(name).suffix, "application/octet-stream")
    assert (
        answer.headers["X-Content-Type-Options"] == "nosniff" and "sandbox" in answer.headers["Content-Security-Policy"]
    )
    assert answer.headers["Content-Disposition"].startswith("attachment" if name.endswith(".tif") else "inline")
    assert answer.headers["ETag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    download = original(shelf, name, "?download=1").headers["Content-Disposition"]
    assert download.startswith("attachment; filename=") and download.isascii() and download.isprintable()
    answer.close()


def test_the_name_of_a_download_survives_in_utf8(shelf: Any) -> None:
    from werkzeug.http import parse_options_header

    said = original(shelf, "c/grey\nthree é.png", "?download=1").headers["Content-Disposition"]
    assert parse_options_header(said) == ("attachment", {"filename": "greythree é.png"})
    said = original(shelf, "c/red \\ 50%.jpg", "?download=1").headers["Content-Disposition"]
    assert parse_options_header(said) == ("attachment", {"filename": "red \\ 50%.jpg"})


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_range_is_that_part_of_the_file(shelf: Any, data: st.DataObject) -> None:
    content = (shelf.photos / NAMES[0]).read_bytes()
    first = data.draw(st.integers(0, len(content) + 5))
    last = data.draw(st.none() | st.integers(first, len(content) + 50))
    answer = original(shelf, NAMES[0], Range=f"bytes={first}-{'' if last is None else last}")
    if first >= len(content):
        assert answer.status_code == 416 and answer.headers["Content-Range"] == f"bytes */{len(content)}"
        return
    expected = content[first:] if last is None else content[first : last + 1]
    assert (answer.status_code, answer.data) == (206, expected)
    end = first + len(expected) - 1
    assert answer.headers["Content-Range"] == f"bytes {first}-{end}/{len(content)}"
    assert answer.content_length == len(expected)


def test_other_ranges_follow_rfc_9110(shelf: Any) -> None:
    content = (shelf.photos / NAMES[0]).read_bytes()
    whole = original(shelf, NAMES[0])
    assert whole.status_code == 200 and whole.headers["Accept-Ranges"] == "bytes"
    etag = whole.headers["ETag"]
    assert original(shelf, NAMES[0], Range="bytes=-5").data == content[-5:]
    assert original(shelf, NAMES[0], Range="bytes=0-0").data == content[:1]
    for ignored in ("bytes=0-1,4-5", "lines=0-1", "bytes", "bytes=5-2", "bytes=a-b", "bytes=--5"):
        assert original(shelf, NAMES[0], Range=ignored).data == content, ignored
    assert original(shelf, NAMES[0], Range="bytes=0-3", If_Range=etag).status_code == 206
    assert original(shelf, NAMES[0], Range="bytes=0-3", If_Range='"other"').data == content
    assert original(shelf, NAMES[0], If_None_Match=etag).status_code == 304
    head = shelf.client.head(f"/api/v1/pictures/{shelf.id_of(NAMES[0])}/original")
    assert head.status_code == 200 and head.data == b"" and head.content_length == len(content)


def test_an_original_must_still_be_what_was_indexed(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf(NAMES[:1])
    path = shelf.photos / NAMES[0]
    content = path.read_bytes()
    os.utime(path, ns=(5, 5))  # touched: the bytes tell that it is the same
    assert original(shelf, NAMES[0]).data == content
    for other in (
        b"<html><script>alert(1)</script>",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        content + b"x",
        b"",
    ):
        path.write_bytes(other)
        answer = original(shelf, NAMES[0])
        assert answer.status_code == 410 and (not other or other not in answer.data)
    path.unlink()
    path.symlink_to("/etc/passwd")
    assert original(shelf, NAMES[0]).status_code == 410
    path.unlink()
    os.mkfifo(path)
    assert original(shelf, NAMES[0]).status_code == 410


def test_an_offline_folder_is_the_reason(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf(NAMES[:1])
    with writing(shelf.store) as writer:
        writer.set_root_offline(1, True)
    shelf.photos.rename(shelf.photos.with_name("unplugged"))
    for kind in ("original", "thumbnail"):
        answer = shelf.client.get(f"/api/v1/pictures/1/{kind}")
        assert answer.status_code == 410 and b"its folder is offline" in answer.data


def test_no_file_stays_open_behind_an_answer(shelf: Any) -> None:
    def open_files() -> int:
        return sum("photos" in str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink())

    before = open_files()
    for headers in ({}, {"Range": "bytes=0-3"}, {"Range": "bytes=99999-"}, {"If-None-Match": "*"}):
        shelf.client.get("/api/v1/pictures/1/original", headers=headers, buffered=False).close()
        shelf.client.head("/api/v1/pictures/1/original", headers=headers).close()
    assert open_files() == before


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 70), st.integers(0, 70), st.lists(st.integers(-1, 40), max_size=5))
def test_a_file_part_is_a_slice(content: bytes, first: int, stop: int, reads: list[int]) -> None:
    first, stop = sorted((min(first, len(content)), min(stop, len(content))))
    closed: list[int] = []
    part, oracle = (
        OpenFilePart(io.BytesIO(content), first, stop, lambda: closed.append(1)),
        io.BytesIO(content[first:stop]),
    )
    for size in reads:
        assert part.read(size) == oracle.read(size) and part.tell() == oracle.tell()
    assert part.seek(0, io.SEEK_END) == stop - first
    part.close()
    part.close()
    assert closed == [1]
