"""The main picture of a TIFF: not the thumbnail before it, not the mask, and the master where that lies in a SubIFD."""

import io
from pathlib import Path

import numpy as np
import pytest
from odd_files import encode, photo
from PIL import Image
from whole_files import Page, tiff_bytes, write

from imgsearch.media.decode import decode_bytes, decode_file, open_upright
from imgsearch.media.samples.whole import describe_file, read_samples

MASTER = np.asarray(photo(96, 64))
SMALL = np.asarray(photo(24, 16, seed=1))
REDUCED, MASK, PAGE = [(254, 4, [1])], [(254, 4, [4])], [(254, 4, [2])]
LAYOUTS = [("<", False), (">", False), ("<", True)]  # Pillow reads no big-endian BigTIFF


@pytest.fixture
def shown(tmp_path: Path):
    def read(data: bytes) -> np.ndarray:
        return np.asarray(open_upright(write(tmp_path, "picture.tif", data), 4000))

    return read


@pytest.mark.parametrize(("order", "big"), LAYOUTS)
def test_master_behind_its_thumbnail_is_shown(shown, tmp_path: Path, order: str, big: bool) -> None:
    data = tiff_bytes([Page(SMALL, REDUCED), Page(MASTER)], order, big)
    assert np.array_equal(shown(data), MASTER)
    traits, samples = describe_file(tmp_path / "picture.tif"), read_samples(tmp_path / "picture.tif")
    assert (traits.images, traits.main, samples.images) == (1, 0, 1)
    assert samples.digest == read_samples(write(tmp_path, "master.png", encode(photo(96, 64), "PNG"))).digest


@pytest.mark.parametrize(("order", "big"), LAYOUTS)
@pytest.mark.parametrize("tags", [REDUCED, []])
def test_master_in_a_sub_directory_is_shown(shown, tmp_path: Path, order: str, big: bool, tags: list) -> None:
    data = tiff_bytes([Page(SMALL, tags, below=[Page(MASTER)])], order, big)
    assert np.array_equal(shown(data), MASTER)
    facts = decode_file(tmp_path / "picture.tif", 28).facts
    assert (facts.width, facts.height, facts.format) == (96, 64, "TIFF")
    assert describe_file(tmp_path / "picture.tif").images == 1


def test_master_is_shown_when_compressed_and_read_from_memory(tmp_path: Path) -> None:
    lzw = encode(photo(96, 64), "TIFF", compression="tiff_lzw")
    tags = Image.open(io.BytesIO(lzw)).tag_v2
    strip = lzw[tags[273][0] :][: tags[279][0]]
    master = Page(MASTER, [(259, 3, [5])], strip=strip)
    data = tiff_bytes([Page(SMALL, REDUCED, below=[master])])
    for found in (decode_bytes(data, 28), decode_file(write(tmp_path, "a.tif", data), 28)):
        assert np.array_equal(found.pixels, decode_bytes(lzw, 28).pixels)


def test_master_is_turned_as_its_thumbnail_says(shown, tmp_path: Path) -> None:
    stored = np.asarray(photo(96, 64).transpose(Image.Transpose.ROTATE_90))
    thumbnail = Page(SMALL.swapaxes(0, 1), [*REDUCED, (274, 3, [6])], below=[Page(stored)])
    assert np.array_equal(shown(tiff_bytes([thumbnail])), MASTER)
    assert decode_file(tmp_path / "picture.tif", 28).facts.orientation == 6
    assert (decode_file(tmp_path / "picture.tif", 28).facts.width) == 96
    upright = read_samples(write(tmp_path, "upright.tif", tiff_bytes([Page(MASTER)])))
    assert read_samples(tmp_path / "picture.tif").digest == upright.digest
    own = Page(SMALL, REDUCED, below=[Page(stored, [(274, 3, [6])])])
    assert np.array_equal(shown(tiff_bytes([own])), MASTER)


def test_ordinary_pages_open_at_the_first(shown, tmp_path: Path) -> None:
    larger = np.asarray(photo(192, 128, seed=2))
    assert np.array_equal(shown(tiff_bytes([Page(MASTER, PAGE), Page(larger, PAGE)])), MASTER)
    traits = describe_file(tmp_path / "picture.tif")
    assert (traits.images, traits.main) == (2, 0)


def test_masks_and_reduced_pages_are_no_pages(shown, tmp_path: Path) -> None:
    mask = Page(np.zeros((64, 96), np.uint8), [*MASK, (262, 3, [4])])
    data = tiff_bytes([Page(MASTER), Page(SMALL, REDUCED), mask, Page(SMALL, [(255, 3, [2])])])
    assert np.array_equal(shown(data), MASTER)
    assert describe_file(tmp_path / "picture.tif").images == 1
    assert np.array_equal(shown(tiff_bytes([mask, Page(MASTER)])), MASTER)


def test_smaller_sub_directories_are_not_shown(shown) -> None:
    assert np.array_equal(shown(tiff_bytes([Page(MASTER, below=[Page(SMALL, REDUCED), Page(SMALL)])])), MASTER)


def test_sensor_data_are_not_taken_for_the_master(shown) -> None:
    sensor = Page(np.zeros((128, 192), np.uint16), [(262, 3, [32803])])
    assert np.array_equal(shown(tiff_bytes([Page(MASTER, REDUCED, below=[sensor])])), MASTER)


def test_chain_that_returns_to_itself_ends(tmp_path: Path) -> None:
    data = bytearray(tiff_bytes([Page(MASTER)]))
    at = int.from_bytes(data[4:8], "little")
    after = at + 2 + 12 * int.from_bytes(data[at : at + 2], "little")
    data[after : after + 4] = at.to_bytes(4, "little")
    assert describe_file(write(tmp_path, "loop.tif", bytes(data))).images == 1


def test_camera_raw_in_a_tiff_is_raw(tmp_path: Path) -> None:
    sensor = Page(np.zeros((128, 192), np.uint16), [(262, 3, [32803])])
    dng = tiff_bytes([Page(SMALL, [*REDUCED, (0xC612, 1, [1, 4, 0, 0])], below=[sensor])])
    traits = describe_file(write(tmp_path, "no-name.tif", dng))
    assert (traits.raw, traits.images, traits.depth, traits.lossless) == (True, 1, 16, True)
    assert read_samples(tmp_path / "no-name.tif").images == 1


def test_pages_that_halve_in_size_are_pictures_of_their_own(tmp_path: Path) -> None:
    """tifffile takes them for one picture at three sizes (findings/tifffile-takes-unlike-pages-for-one-pyramid.sh)."""
    pages = [photo(96, 64), photo(48, 32, seed=1), photo(24, 16, seed=2)]
    path = write(tmp_path, "pages.tif", encode(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert describe_file(path).images == read_samples(path).images == 3
