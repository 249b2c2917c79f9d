"""A library of drawn pictures, an engine that reads nothing but brightness, and the real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from imgsearch.extras import has_extra
from imgsearch.reading.contract import Recognised
from imgsearch.records import ModelId


class BrightnessEngine:
    """Reads "bright" in what is bright, and finds nothing in the dark."""

    name = "stand-in 1"

    def __init__(self, fingerprint: str = "first") -> None:
        self.fingerprint = fingerprint
        self.recognised = 0

    def heat(self, pixels: Any) -> Any:
        return np.full((32, 32), pixels.mean() / 255, np.float32)

    def boxes(self, heat: Any, height: int, width: int) -> list[Any]:
        right, low = width - 1.0, height - 1.0
        return [np.array([[0.0, 0.0], [right, 0.0], [right, low], [0.0, low]])] if heat.mean() > 0.5 else []

    def recognise(self, pixels: Any, boxes: Sequence[Any]) -> list[Recognised]:
        self.recognised += 1
        places = (np.arange(6) + 0.5) / 6
        return [Recognised("bright", box, 0.9, places.tolist(), [0.9] * 6) for box in boxes]


@dataclass
class Shelf:
    store: Any
    photos: Path

    def add(self, name: str, image: Image.Image) -> int:
        """Save a picture and index it. -> its id."""
        from imgsearch.media.decode import decode_file
        from imgsearch.storage import EmbeddedBatch, FilePlace, writing

        image.save(self.photos / name)
        one = decode_file(self.photos / name, 16)
        with writing(self.store) as writer:
            root = writer.add_root(self.photos)
            place = FilePlace(root.root_id, name, one.facts.size_bytes, one.mtime_ns)
            with writer.transaction() as transaction:
                transaction.add(EmbeddedBatch([one.facts], np.zeros((1, 2, 4), np.float32), [[place]]))
                transaction.commit()
        return int(self.store.image_of(one.facts.content_hash))


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    from imgsearch.storage import create_store

    (tmp_path / "photos").mkdir()
    model = ModelId("mini", "ab" * 32, "v1-112", "float32", 2, 4)
    with create_store(tmp_path / "library", model) as store:
        yield Shelf(store, tmp_path / "photos")


@pytest.fixture(scope="module")  # no longer: others' servers ask for addresses
def reader() -> Iterator[Any]:
    """The real one, of one thread; loading it takes a second. A test fails where it would download anything."""
    if not has_extra("ocr"):
        pytest.skip("the extra ocr is not installed: pip install 'imgsearch[ocr]'")
    from imgsearch.reading.engine import RapidEngine
    from imgsearch.reading.reader import ImageReader

    def download(*given: Any) -> None:
        raise AssertionError(f"a download: {given}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rapidocr.utils.download_file.DownloadFile.run", download)
        patch.setattr("socket.getaddrinfo", download)
        yield ImageReader(RapidEngine(threads=1))


def drawn(*lines: str, size: int = 28, canvas: tuple[int, int] = (480, 200), font: Any = None) -> Image.Image:
    """Black lines of text on white, with Pillow's own font."""
    image = Image.new("RGB", canvas, "white")
    pen = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        pen.text((20, 20 + 2 * size * number), line, fill="black", font=font or ImageFont.load_default(size))
    return image


@pytest.fixture
def draw() -> Callable[..., Image.Image]:
    return drawn


@pytest.fixture
def engine() -> Callable[..., BrightnessEngine]:
    return BrightnessEngine
