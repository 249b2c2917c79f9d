"""Pictures in full size that browsers cannot show as they lie on the disk."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colour_shelf import COLOURS
from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.media.limits import DecodeLimits
from imgsearch.media.rendition import make_rendition
from imgsearch.storage.caches.file_cache import FileCache
from web.http.routes import renditions

TIFF, PNG = "a/b/blue two.tif", "a/red one.png"


def full(shelf: Any, name: str, **headers: str) -> Any:
    path = f"/api/v1/pictures/{shelf.id_of(name)}/full"
    return shelf.client.get(path, headers={key.replace("_", "-"): value for key, value in headers.items()})


def test_what_browsers_cannot_show_is_a_jpeg_of_its_full_size(shelf: Any) -> None:
    answer = full(shelf, TIFF)
    image = Image.open(io.BytesIO(answer.data))
    with Image.open(shelf.photos / TIFF) as stored:
        assert image.size == stored.size
    assert (answer.status_code, answer.mimetype, image.format) == (200, "image/jpeg", "JPEG")
    assert np.abs(np.asarray(image, int).reshape(-1, 3).mean(axis=0) - COLOURS["blue"]).max() < 60
    assert not image.getexif() and "icc_profile" not in image.info
    again = full(shelf, TIFF, If_None_Match=answer.headers["ETag"])
    assert (again.status_code, again.data) == (304, b"")
    kept = list((shelf.store.layout.thumbs / "full").rglob("*.jpg"))
    assert len(kept) == 1 and kept[0].read_bytes() == answer.data


@pytest.mark.parametrize("name", [PNG, "a/red two.jpg", "a/green one.gif", "a/b/green two.bmp", "a/b/blue one.webp"])
def test_what_browsers_show_is_the_original(shelf: Any, name: str) -> None:
    answer = full(shelf, name)
    assert answer.status_code == 307
    original = shelf.client.get(answer.headers["Location"])
    assert original.data == (shelf.photos / name).read_bytes()


def test_pictures_name_their_full_size(shelf: Any) -> None:
    picture = shelf.client.get(f"/api/v1/pictures/{shelf.id_of(TIFF)}").get_json()
    assert picture["full"].endswith(f"/pictures/{shelf.id_of(TIFF)}/full")
    assert shelf.client.get(picture["full"]).mimetype == "image/jpeg"
    assert shelf.client.get("/api/v1/pictures/999/full").status_code == 404
    page = shelf.client.get(f"/pictures/{shelf.id_of(TIFF)}").text
    assert picture["full"] in page and picture["download"] in page


def test_a_kept_rendition_outlives_its_file_and_a_new_one_needs_it(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf([TIFF])
    content = full(shelf, TIFF).data
    (shelf.photos / TIFF).unlink()
    assert full(shelf, TIFF).data == content
    for kept in (shelf.store.layout.thumbs / "full").rglob("*.jpg"):
        kept.write_bytes(content[:-9])  # torn: not taken
    gone = full(shelf, TIFF)
    assert gone.status_code == 410 and b"the file is gone" in gone.data


def test_a_rendition_is_made_of_what_was_indexed_or_not_at_all(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf([TIFF])
    Image.new("RGB", (50, 50), "yellow").save(shelf.photos / TIFF)
    answer = full(shelf, TIFF)
    assert answer.status_code == 410 and b"has changed since it was indexed" in answer.data
    assert not list((shelf.store.layout.thumbs / "full").rglob("*.jpg"))


def test_a_rendition_that_cannot_be_made_says_why(make_shelf: Callable[..., Any], monkeypatch: Any) -> None:
    shelf = make_shelf([TIFF])

    class Failing:
        def __init__(self, *given: Any, **options: Any) -> None: ...
        def __enter__(self) -> Failing:
            return self

        def __exit__(self, *raised: Any) -> None: ...
        def run(self, jobs: Any) -> Any:
            yield next(iter(jobs)), MediaError("decoding it needs 9 GiB of memory", stage="open")

    monkeypatch.setattr(renditions, "HardenedPool", Failing)
    answer = full(shelf, TIFF)
    assert answer.status_code == 422
    assert "cannot be shown in full size: decoding it needs 9 GiB" in answer.get_json()["detail"]


def test_renditions_keep_within_their_budget(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf([TIFF, "b/red one.tif"])
    cache = FileCache(shelf.store.layout.thumbs / "full", ".jpg", 1)
    shelf.app.extensions["imgsearch.renditions"] = renditions.Renditions(cache)
    assert full(shelf, TIFF).status_code == full(shelf, "b/red one.tif").status_code == 200
    assert not list((shelf.store.layout.thumbs / "full").rglob("*.jpg"))


def test_a_rendition_is_upright_in_srgb_on_white_and_within_limits(tmp_path: Path) -> None:
    image = Image.new("RGBA", (30, 20), (200, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 30, 10))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.tif", exif=exif)
    limits = DecodeLimits()
    made = Image.open(io.BytesIO(make_rendition(tmp_path / "a.tif", content_hash=None, limits=limits)))
    shown = np.asarray(made, int)  # turned to the right: what was above is at the right
    assert shown.shape == (30, 20, 3)
    assert shown[15, 15].min() > 240 and np.abs(shown[15, 4] - (200, 0, 0)).max() < 12
    made = make_rendition(tmp_path / "a.tif", content_hash=None, limits=limits, longest=15)
    assert Image.open(io.BytesIO(made)).size == (10, 15)
    with pytest.raises(MediaError, match="more than the limit"):
        make_rendition(tmp_path / "a.tif", content_hash=None, limits=DecodeLimits(memory_bytes=100))
