"""Thumbnails: what a person sees, small, and nothing else that the file held."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.media.limits import DecodeLimits
from imgsearch.media.source import ContentChanged
from imgsearch.media.thumbnail import make_thumbnail


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    assert image.format == "WEBP"
    return image


def halves(width: int, height: int) -> Image.Image:
    """Red on the left, blue on the right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 255
    pixels[:, width // 2 :, 2] = 255
    return Image.fromarray(pixels)


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((2000, 1000), 320, (320, 160)),
        ((1000, 2000), 320, (160, 320)),
        ((100, 50), 320, (100, 50)),
        ((3000, 2), 320, (320, 1)),
    ],
)
def test_a_thumbnail_keeps_the_aspect_and_is_never_enlarged(tmp_path: Path, size, side, expected):
    halves(*size).save(tmp_path / "a.png")
    assert opened(make_thumbnail(tmp_path / "a.png", side)).size == expected


def test_a_thumbnail_is_upright_and_carries_no_metadata(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by a quarter
    exif[0x010F] = "Canon"
    exif.get_ifd(0x8825)[1] = "N"
    halves(800, 400).save(tmp_path / "a.jpg", exif=exif, icc_profile=b"rubbish that is no profile")
    content = make_thumbnail(tmp_path / "a.jpg", 320)
    image = opened(content)
    assert image.size == (160, 320)
    top, bottom = np.asarray(image)[10, 80], np.asarray(image)[310, 80]
    assert top[0] > 200 > 60 > top[2] and bottom[2] > 200 > 60 > bottom[0]  # left became top
    assert not image.getexif() and "icc_profile" not in image.info and b"Canon" not in content


def test_a_file_that_holds_something_else_now_is_refused(tmp_path: Path):
    path = tmp_path / "a.png"
    halves(40, 40).save(path)
    known = hashlib.sha256(path.read_bytes()).hexdigest()
    assert make_thumbnail(path, 320, content_hash=known)
    halves(41, 40).save(path)
    with pytest.raises(ContentChanged, match=r"a\.png has changed since it was indexed"):
        make_thumbnail(path, 320, content_hash=known)


def test_a_bomb_and_a_missing_file_are_media_errors(tmp_path: Path):
    Image.new("RGB", (4000, 4000)).save(tmp_path / "a.png")
    with pytest.raises(MediaError, match="more than the limit"):
        make_thumbnail(tmp_path / "a.png", 320, limits=DecodeLimits(memory_bytes=10_000_000))
    with pytest.raises(MediaError, match="gone"):
        make_thumbnail(tmp_path / "b.png", 320)
