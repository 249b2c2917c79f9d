"""`Library.caption` and `Library.ask`: what may be given, and that it is what the rooms below answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import imgsearch
from imgsearch.errors import MediaError, ModelUnavailable, UsageError
from imgsearch.storage.reads.captions import read_captions

GOLDEN = Path(__file__).parents[1] / "golden" / "generation"
WITH = {"language_model": str(GOLDEN / "opt")}
FAST = {"max_new_tokens": 5, **WITH}


@pytest.fixture
def opened(library: Any) -> Iterator[Any]:
    library.add(library.names(3))
    generator = str(GOLDEN / "blip2_caption_opt_tiny.pth")
    with imgsearch.open(library.store.path, generator=generator, device="cpu") as found:
        yield found


def test_caption_of_an_id_is_that_of_its_file_and_near_that_of_its_pixels(opened: Any, library: Any) -> None:
    path = library.photos / "scene00.png"
    by_id, by_path = opened.caption(1, **FAST), opened.caption(path, **FAST)
    assert by_id == by_path and by_id.probability is not None and by_id.text
    with Image.open(path) as picture:
        drawn = opened.caption([picture, 2], draws=0, **FAST)
    beams = opened.caption([1, 2], draws=0, **FAST)
    assert drawn == beams
    assert opened.caption(1, check=False, **FAST).probability is None


def test_library_is_captioned_and_kept(opened: Any, library: Any) -> None:
    summary = opened.caption(**FAST)
    assert (summary.captioned, summary.stored, summary.remaining) == (3, 3, 0)
    assert opened.caption(**FAST).wanted == 0
    kept = read_captions(library.store, [1, 2, 3])
    assert kept[1].text == opened.caption(1, **FAST).text
    word = next(each.text.split()[0] for each in kept.values())
    assert {hit.image_id for hit in opened.search(f"caption:{word}")} == {
        number for number, each in kept.items() if each.sure and word in each.text.split()
    }


def test_answers_come_as_the_questions_and_pictures_were_given(opened: Any) -> None:
    one = opened.ask(1, "is there a ball?", **FAST)
    assert one.question == "is there a ball?"
    assert opened.ask([1], "is there a ball?", **FAST) == [one]
    assert opened.ask(1, ["is there a ball?", "why?"], **FAST)[0] == one
    table = opened.ask([1, 2], ["is there a ball?", "why?"], dialogue=True, **FAST)
    assert [len(row) for row in table] == [2, 2] and table[0][0] == one


def test_what_cannot_be_is_a_usage_error(opened: Any, library: Any, tmp_path: Path) -> None:
    for wrong in (77, -1, True, 3.5, "gone.jpg", {}):
        with pytest.raises(UsageError):
            opened.caption(wrong, **FAST)
    for options in ({"beams": 3}, {"method": "best"}, {"draws": "x"}, {"num_beams": 0}):
        with pytest.raises(UsageError):
            opened.caption(1, **{**WITH, **options})
    for question in ("", "a" * 10_000, ["x", 3]):
        with pytest.raises(UsageError):
            opened.ask(1, question, **FAST)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(MediaError):
        opened.caption(tmp_path / "broken.png", **FAST)
    with (
        imgsearch.open(library.store.path, device="cpu") as other,
        pytest.raises(ModelUnavailable, match="no generator"),
    ):
        other.caption(1)
    opened.close()
    with pytest.raises(UsageError, match="closed"):
        opened.caption(1, **FAST)
