"""Reading many images: committed as it goes, resumed, and nothing lost over an image that cannot be read."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgsearch.reading.contract import Recognised
from imgsearch.reading.engine import begun
from imgsearch.reading.pages import file_page, library_pages
from imgsearch.reading.reader import ImageReader
from imgsearch.reading.run import ReadingSummary, TextReading
from imgsearch.records import Clause, Filters
from imgsearch.storage.reads.image_texts import read_texts


def picture(grey: int) -> Image.Image:
    return Image.new("RGB", (80, 60), (grey, grey, grey))


@pytest.fixture
def filled(shelf: Any) -> Any:
    """Four images, of which the second is dark."""
    for number, grey in enumerate((250, 5, 240, 230)):
        shelf.add(f"{number}.png", picture(grey))
    return shelf


def run(reading: TextReading, store: Any, ids: list[int], **more: Any) -> ReadingSummary:
    summary = ReadingSummary(wanted=len(ids))
    for batch in reading.run(library_pages(store, ids), **more):
        summary.add(batch)
    return summary


def found(store: Any) -> list[int]:
    return store.matching_images(Filters((Clause("text", "bright"),))).tolist()


def test_words_of_all_images_are_kept_and_dark_ones_not_recognised(filled: Any, engine: Any) -> None:
    eye = engine()
    reading = TextReading(ImageReader(eye), filled.store)
    assert reading.waiting(filled.store) == [1, 2, 3, 4]
    summary = run(reading, filled.store, [1, 2, 3, 4])
    assert (summary.read, summary.with_text, summary.words, summary.stored, summary.remaining) == (4, 3, 3, 4, 0)
    assert eye.recognised == 3 and found(filled.store) == [1, 3, 4]
    kept = read_texts(filled.store, [1, 2])
    assert kept[2].lines == () and kept[1].lines[0].box == pytest.approx(
        (0, 0, 79 / 80, 0, 79 / 80, 59 / 60, 0, 59 / 60), abs=0.01
    )
    assert reading.waiting(filled.store) == []


def test_an_image_at_which_the_engine_fails_is_named_and_the_others_are_read(filled: Any, engine: Any) -> None:
    eye = engine()
    recognise, fails = eye.recognise, iter([True, False, False])

    def failing(*given: Any) -> Any:
        if next(fails):
            raise ValueError("array of sample points is empty")
        return recognise(*given)

    eye.recognise = failing
    summary = run(TextReading(ImageReader(eye), filled.store), filled.store, [1, 2, 3, 4])
    assert (summary.read, summary.stored, found(filled.store)) == (3, 3, [3, 4])
    [(path, reason)] = summary.unreadable.items()
    assert path.endswith("0.png")
    assert reason == "its words cannot be read (ValueError: array of sample points is empty)"


def test_stopped_run_keeps_what_it_read_and_goes_on_there(filled: Any, engine: Any) -> None:
    reading = TextReading(ImageReader(engine()), filled.store)
    seen: list[int] = []
    summary = run(
        reading, filled.store, [1, 2, 3, 4], stop=lambda: len(seen) >= 2, told=lambda one: seen.append(one.image_id)
    )
    assert (summary.stored, summary.remaining, seen) == (2, 2, [1, 2])
    assert reading.waiting(filled.store) == [3, 4]


def test_killed_run_keeps_what_it_had_committed(filled: Any, engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgsearch.reading.run._COMMIT_S", 0.0)
    eye = engine()
    reading = TextReading(ImageReader(eye), filled.store)
    seen = iter([False, False, True])
    heat = eye.heat

    def killed(pixels: Any) -> Any:
        if next(seen):
            raise SystemExit(137)
        return heat(pixels)

    eye.heat = killed
    with pytest.raises(SystemExit):
        run(reading, filled.store, [1, 2, 3, 4])
    assert reading.waiting(filled.store) == [3, 4] and found(filled.store) == [1]
    eye.heat = heat
    assert run(reading, filled.store, reading.waiting(filled.store)).stored == 2
    assert found(filled.store) == [1, 3, 4]


def test_newer_engine_reads_all_anew_and_missing_only_the_rest(filled: Any, engine: Any) -> None:
    run(TextReading(ImageReader(engine()), filled.store), filled.store, [1, 2, 3])
    newer = TextReading(ImageReader(engine("second")), filled.store)
    assert newer.waiting(filled.store, missing_only=True) == [4]
    assert newer.waiting(filled.store) == [1, 2, 3, 4]


def test_file_that_was_changed_damaged_or_removed_is_named_and_passed_over(filled: Any, engine: Any) -> None:
    (filled.photos / "0.png").write_bytes(b"no picture")
    picture(7).save(filled.photos / "2.png")
    (filled.photos / "3.png").unlink()
    reading = TextReading(ImageReader(engine()), filled.store)
    summary = run(reading, filled.store, [1, 2, 3, 4])
    assert summary.read == 1 and found(filled.store) == []
    reasons = {name.rpartition("/")[2]: reason for name, reason in summary.unreadable.items()}
    assert sorted(reasons) == ["0.png", "2.png", "3.png"] and "changed" in reasons["2.png"]
    assert reading.waiting(filled.store) == [1, 3, 4]


def test_second_file_of_an_image_is_read_where_the_first_is_gone(shelf: Any, engine: Any) -> None:
    image_id = shelf.add("a.png", picture(250))
    shutil.copyfile(shelf.photos / "a.png", shelf.photos / "b.png")
    shelf.add("b.png", picture(250))
    (shelf.photos / "a.png").write_bytes(b"no picture")
    assert run(TextReading(ImageReader(engine()), shelf.store), shelf.store, [image_id]).stored == 1


def test_file_from_elsewhere_is_kept_where_the_library_holds_its_content(
    filled: Any, engine: Any, tmp_path: Any
) -> None:
    shutil.copyfile(filled.photos / "0.png", tmp_path / "same.png")
    picture(251).save(tmp_path / "other.png")
    reading = TextReading(ImageReader(engine()), filled.store)
    (batch,) = reading.run([file_page(tmp_path / "same.png"), file_page(tmp_path / "other.png")])
    assert [(one.image_id, one.stored) for one in batch] == [(1, True), (None, False)]
    assert found(filled.store) == [1]


def test_part_of_a_japanese_word_is_found_also_across_columns(
    filled: Any, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    eye = engine()
    right, left = np.array([[60, 2], [70, 2], [70, 50], [60, 50]]), np.array([[40, 2], [50, 2], [50, 50], [40, 50]])
    places = np.linspace(0.1, 0.9, 5).tolist()
    lines = [
        Recognised(text, begun(box, 0), 0.9, places, [0.9] * 5)
        for text, box in (("東京都庁は", right), ("十時から開", left))
    ]
    monkeypatch.setattr(eye, "recognise", lambda pixels, boxes: lines[::-1])
    run(TextReading(ImageReader(eye), filled.store), filled.store, [1])

    def holds(words: str) -> bool:
        return filled.store.matching_images(Filters((Clause("text", words),))).tolist() == [1]

    assert all(map(holds, ("東京", "都庁", "東京都庁", "庁は十時", "開")))
    assert not any(map(holds, ("京東", "東京十時", "大阪")))
