from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.evaluation.alteration import altered_pixels, middle_of

SIZE = 32


def drawn(width: int, height: int, seed: int = 0) -> Image.Image:
    """Smooth colours: what a JPEG keeps."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def saved(image: Image.Image, path: Path) -> str:
    image.save(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@given(width=st.integers(1, 60), height=st.integers(1, 60), share=st.floats(0.01, 1.0))
def test_middle_keeps_the_share_and_cuts_both_sides_alike(width: int, height: int, share: float) -> None:
    pixels = np.arange(width * height, dtype=np.uint16).reshape(height, width)
    found = np.array(middle_of(Image.fromarray(pixels), share)).astype(int)
    for axis, side in ((0, height), (1, width)):
        kept = found.shape[axis]
        assert abs(kept - share * side) <= 0.5 or kept == 1
    top, left = divmod(int(found[0, 0]), width)
    assert (found == pixels[top : top + found.shape[0], left : left + found.shape[1]]).all()
    assert 0 <= (height - found.shape[0]) - 2 * top <= 1
    assert 0 <= (width - found.shape[1]) - 2 * left <= 1


def test_altered_pixels_are_those_of_the_middle_compressed(tmp_path: Path) -> None:
    image = drawn(200, 100)
    digest = saved(image, tmp_path / "a.png")
    stream = io.BytesIO()
    Image.fromarray(np.array(image)[5:95, 10:190]).save(stream, "JPEG", quality=70)
    expected = Image.open(stream).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    found = altered_pixels(tmp_path / "a.png", SIZE, digest)
    assert found.shape == (SIZE, SIZE, 3) and found.dtype == np.uint8
    # The decoder may let a JPEG halve itself first, which moves a number by a step or two.
    assert np.abs(found.astype(int) - np.array(expected).astype(int)).mean() < 2
    whole = np.array(image.resize((SIZE, SIZE), Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(found.astype(int) - whole).mean() > 2  # it is another picture than before


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 300), (3000, 2)])
def test_altered_pixels_of_odd_pictures_are_there(tmp_path: Path, width: int, height: int) -> None:
    digest = saved(drawn(width, height), tmp_path / "a.png")
    assert altered_pixels(tmp_path / "a.png", SIZE, digest).shape == (SIZE, SIZE, 3)


def test_altered_pixels_refuse_a_file_that_is_gone_or_holds_something_else(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    digest = saved(drawn(40, 40), path)
    saved(drawn(40, 40, seed=1), path)
    with pytest.raises(MediaError, match="has changed since"):
        altered_pixels(path, SIZE, digest)
    path.write_bytes(b"no picture at all")
    with pytest.raises(MediaError):
        altered_pixels(path, SIZE, digest)
    path.unlink()
    with pytest.raises(MediaError, match="gone"):
        altered_pixels(path, SIZE, digest)
