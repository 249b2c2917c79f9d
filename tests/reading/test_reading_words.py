"""What the real models read in drawn pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFont

from imgsearch.errors import UsageError

_KANJI = next((path for path in Path("/usr/share/fonts").rglob("*CJK*.*") if path.suffix in (".ttc", ".otf")), None)


def texts(reader: Any, image: Image.Image) -> list[str]:
    return [line.text for line in reader.read(np.asarray(image.convert("RGB"))).lines]


def test_lines_are_read_with_words_where_they_stand(reader: Any, draw: Any) -> None:
    read = reader.read(np.asarray(draw("Invoice No. 10031", "Total 12.50 EUR")))
    assert [line.text for line in read.lines] == ["Invoice No. 10031", "Total 12.50 EUR"]
    words = [word for line in read.lines for word in line.words]
    assert [word.text for word in words] == ["Invoice", "No.", "10031", "Total", "12.50", "EUR"]
    pen_start = 20 / 480
    assert words[0].box[0] == pytest.approx(pen_start, abs=0.02) and all(word.confidence > 0.8 for word in words)
    assert words[0].box[2] < words[1].box[2] < words[2].box[2] and words[0].box[2] <= words[1].box[0] + 0.02
    width = ImageFont.load_default(28).getlength("Invoice") / 480
    assert words[0].box[2] - words[0].box[0] == pytest.approx(width, abs=0.04)


@pytest.mark.parametrize("angle", [30, 90, 180, 270])
def test_turned_lines_are_read_and_their_boxes_begin_with_the_text(reader: Any, draw: Any, angle: int) -> None:
    image = draw("Invoice No. 10031", "Total 12.50 EUR").rotate(angle, expand=True, fillcolor="white")
    read = reader.read(np.asarray(image))
    assert [line.text for line in read.lines] == ["Invoice No. 10031", "Total 12.50 EUR"]
    box = np.array(read.lines[0].box).reshape(4, 2) * image.size
    along = (box[1] - box[0]) / np.linalg.norm(box[1] - box[0])
    assert along == pytest.approx([np.cos(np.radians(angle)), -np.sin(np.radians(angle))], abs=0.08)


@pytest.mark.parametrize("angle", [0, 90])
def test_short_words_are_read_the_right_way_round(reader: Any, angle: int) -> None:
    """The turner takes "Pub" for "qnd", and is sure of it."""
    from PIL import ImageDraw

    image = Image.new("RGB", (600, 400), "white")
    ImageDraw.Draw(image).text((200, 150), "Pub", fill="black", font=ImageFont.load_default(28))
    image = image.rotate(angle, expand=True, fillcolor="white")
    (line,) = reader.read(np.asarray(image)).lines
    box = np.array(line.box).reshape(4, 2) * image.size
    along = (box[1] - box[0]) / np.linalg.norm(box[1] - box[0])
    assert line.text == "Pub"
    assert along == pytest.approx([np.cos(np.radians(angle)), -np.sin(np.radians(angle))], abs=0.2)


def test_short_line_is_read_alike_whatever_stands_beside_it_and_was_read_before(reader: Any) -> None:
    """findings/rapidocr-spaces-depend-on-the-neighbours.sh and rapidocr-keeps-the-arguments-of-a-call.sh"""
    from PIL import ImageDraw

    long = "The ferry to the island leaves at half past nine, and comes back at ten in the evening"
    font = ImageFont.load_default(36)
    read = []
    for lines in (["Bus 7"], ["Bus 7", long], ["Bus 7"]):
        canvas = Image.new("RGB", (int(font.getlength(long)) + 120, 220), "white")
        for number, line in enumerate(lines):
            ImageDraw.Draw(canvas).text((60, 40 + 80 * number), line, fill="black", font=font)
        read.append(texts(reader, canvas)[0])
    assert read == ["Bus 7"] * 3


def test_small_letters_of_a_large_picture_are_read_once_each(reader: Any) -> None:
    canvas = Image.new("RGB", (2600, 1900), (90, 110, 90))
    lines = [f"Parcel {number} Ashford {number * 7}" for number in range(101, 107)]
    from PIL import ImageDraw

    pen = ImageDraw.Draw(canvas)
    for place, line in enumerate(lines):  # some of them across the seams of the parts
        pen.text((300 + 330 * place, 200 + 290 * place), line, fill="white", font=ImageFont.load_default(17))
    assert sorted(texts(reader, canvas)) == lines


def test_nothing_is_recognised_in_a_picture_without_text(reader: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader.engine, "recognise", lambda *given: pytest.fail("recognised"))
    rng = np.random.default_rng(1)
    for pixels in (np.zeros((300, 400, 3), np.uint8), rng.integers(90, 99, (200, 300, 3), dtype=np.uint8)):
        assert reader.read(pixels).lines == ()


@pytest.mark.parametrize("size", [(1, 1), (7, 400), (3000, 9), (12, 2500), (200, 24)])
def test_pictures_of_any_shape_are_read_without_an_error(reader: Any, size: tuple[int, int]) -> None:
    assert reader.read(np.full((size[1], size[0], 3), 255, np.uint8)).lines == ()


@pytest.mark.skipif(_KANJI is None, reason="no font with Chinese and Japanese letters: apt-get install fonts-noto-cjk")
def test_chinese_and_japanese_are_read_across_and_down(reader: Any, draw: Any) -> None:
    assert _KANJI is not None
    font = ImageFont.truetype(_KANJI, 32)
    assert texts(reader, draw("東京都新宿区", "北京大学", size=32, font=font)) == ["東京都新宿区", "北京大学"]
    down = draw("\n".join("東京都新宿区西"), size=32, canvas=(200, 420), font=font)
    assert "".join(texts(reader, down)) == "東京都新宿区西"


def test_library_reads_its_pictures_and_tells_their_words(
    library: Any, draw: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch, reader: Any
) -> None:
    from imgsearch.api import Library
    from imgsearch.search.engine import Searcher
    from imgsearch.settings import Settings
    from imgsearch.storage import open_store

    monkeypatch.setattr("imgsearch.reading.engine.RapidEngine", lambda: reader.engine)
    draw("Invoice No. 10031").save(library.photos / "invoice.png")
    Image.new("RGB", (90, 70), "teal").save(library.photos / "plain.png")
    library.add(["plain.png", "invoice.png"])
    store = open_store(library.folder / "library")
    with Library(Searcher(store, tiny), Settings(library.folder / "library")) as opened:
        before = opened.words(2)
        summary = opened.read()
        assert (summary.read, summary.with_text) == (2, 1) and opened.read().read == 0
        assert opened.words(1) == () and [word.text for word in opened.words(2)] == ["Invoice", "No.", "10031"]
        by_path, by_image = opened.words(library.photos / "invoice.png"), opened.words(draw("Invoice No. 10031"))
        assert [word.text for word in by_path] == [word.text for word in by_image] == [word.text for word in before]
        assert opened.search("invoice 10031", k=1)[0].words.startswith("read in the picture")
        for wrong in (99, "nowhere.png", True, None):
            with pytest.raises(UsageError):
                opened.words(wrong)
