"""The Python interface: what may be given, what is refused, and what is imported."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import imgsearch
from imgsearch.errors import LibraryMissing, UsageError
from imgsearch.scenes.dataset import make_set, write_set


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    write_set(make_set(8, 5), folder)
    return folder / "images"


@pytest.fixture(scope="module")
def library(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("api") / "pictures.library"
    with pytest.raises(LibraryMissing):
        imgsearch.open(folder)
    with imgsearch.open(folder, create=True, model="mini", device="cpu") as opened:
        assert opened.stats().images == 0
        summary = opened.index(photos)
        assert (summary.images, summary.new, summary.failed) == (8, 8, 0)
        yield opened


def test_names_are_imported_when_they_are_asked_for() -> None:
    code = (
        "import sys, imgsearch; from imgsearch import errors, open\n"
        "assert errors.UsageError.exit_code == 2 and {'Query', 'Hit', 'Library'} <= set(dir(imgsearch))\n"
        "print([m for m in ('numpy', 'torch', 'PIL', 'sqlalchemy', 'flask') if m in sys.modules])\n"
        "from imgsearch import Answer, Hit, Library, Query, Results; Query('a boat')\n"
        "print([m for m in ('torch', 'sqlalchemy', 'flask') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]
    with pytest.raises(AttributeError, match="nothing"):
        imgsearch.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(imgsearch.__file__).parent / "py.typed").is_file()


def test_a_new_picture_is_found_after_index(library: Any, tmp_path: Path) -> None:
    before = library.stats().images
    Image.new("RGB", (64, 64), (200, 30, 30)).save(tmp_path / "red.png")
    summary = library.index([tmp_path])
    assert summary.new == 1 and summary.images == before + 1 == library.stats().images
    found = library.search("name:red", k=5)
    assert [hit.path.name for hit in found] == ["red.png"]
    (tmp_path / "red.png").unlink()


def test_index_runs_in_any_thread(library: Any, photos: Path) -> None:
    said: list[Any] = []
    thread = threading.Thread(target=lambda: said.append(library.index([photos]).failed))
    thread.start()
    thread.join(60)
    assert said == [0]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK", "I;16"])
def test_a_pillow_image_finds_itself(library: Any, photos: Path, mode: str) -> None:
    path = sorted(photos.iterdir())[3]
    with Image.open(path) as picture:
        if mode == "I;16":
            wide = np.asarray(picture.convert("L"), np.uint16) * 257
            given = Image.fromarray(wide)
        else:
            given = picture.convert(mode)
    found = library.similar(given, k=3)
    assert len(found) == 3
    if mode in ("RGB", "RGBA", "CMYK"):
        assert found[0].path == path


def test_a_pillow_image_is_turned_as_its_file_is(library: Any, photos: Path) -> None:
    path = sorted(photos.iterdir())[2]
    with Image.open(path) as picture:
        turned = picture.convert("RGB").rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.info["exif"] = exif.tobytes()
    assert library.similar(turned, k=1)[0].path == path
    by_id = library.similar(np.int64(library.similar(turned, k=1)[0].image_id), k=1)
    assert by_id[0].path != path


def test_a_query_object_asks_as_its_parts_do(library: Any) -> None:
    query = imgsearch.Query("a boat", k=3, everything=True)
    assert list(library.search(query)) == list(library.search("a boat", k=3, everything=True))


def test_thresholds_and_orders_count(library: Any) -> None:
    found = library.search("a boat", k=8, threshold=0.0, sort="name")
    names = [hit.path.name for hit in found]
    assert len(names) > 3 and names == sorted(names)
    assert all(hit.itm_probability is not None for hit in found)
    assert not library.search("a boat", k=8, threshold=1.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda library: library.search(None),
        lambda library: library.search(b"boat"),
        lambda library: library.search(["a", "boat"]),
        lambda library: library.search("boat", k="3"),
        lambda library: library.search("boat", k=2.5),
        lambda library: library.search("boat", k=True),
        lambda library: library.search("boat", k=0),
        lambda library: library.search("boat", rerank="no"),
        lambda library: library.search("boat", cursor=7),
        lambda library: library.search("boat", everything=1),
        lambda library: library.search("boat", budget_ms="fast"),
        lambda library: library.search("boat", budget_ms=float("nan")),
        lambda library: library.search("boat", sort="size"),
        lambda library: library.search("boat", threshold="0.5"),
        lambda library: library.similar(None),
        lambda library: library.similar(3.5),
        lambda library: library.similar(-1),
        lambda library: library.similar(True),
        lambda library: library.similar(b"x.jpg"),
        lambda library: library.similar("no such picture.jpg"),
        lambda library: library.similar(1, filters=3),
        lambda library: library.index(5),
        lambda library: library.index([5]),
        lambda library: library.index([]),
        lambda library: library.index(iter(())),
        lambda library: library.index("/no/such/folder"),
        lambda library: library.index("/tmp", exclude=5),
        lambda library: library.index("/tmp", include=[5]),
        lambda library: library.index("/tmp", exclud=["*.png"]),
        lambda library: imgsearch.open(5),
        lambda library: imgsearch.open(""),
        lambda library: imgsearch.open("a\0b"),
        lambda library: imgsearch.open("\ud800"),
        lambda library: imgsearch.open("x" * 5000),
        lambda library: imgsearch.open(librari="x"),
        lambda library: imgsearch.open(workers="many"),
    ],
)
def test_wrong_arguments_raise_our_errors_with_a_hint(library: Any, call: Any) -> None:
    with pytest.raises(UsageError) as caught:
        call(library)
    assert caught.value.message and caught.value.hint


def test_an_empty_path_is_not_the_folder_one_is_in() -> None:
    with pytest.raises(UsageError, match="empty text for the path"):
        imgsearch.open("")


def test_an_unknown_setting_is_told_with_what_was_meant() -> None:
    with pytest.raises(UsageError, match="did you mean device"):
        imgsearch.open(devise="cpu")


def test_a_closed_library_says_so(photos: Path, tmp_path: Path) -> None:
    opened = imgsearch.open(tmp_path / "library", create=True, model="mini")
    opened.close()
    opened.close()
    assert opened.closed and "closed" in repr(opened)
    for call in (
        lambda: opened.search("a boat"),
        lambda: opened.similar(1),
        lambda: opened.index(photos),
        opened.stats,
        opened.vectors,
        opened.__enter__,
    ):
        with pytest.raises(UsageError, match="is closed"):
            call()
