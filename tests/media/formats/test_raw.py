"""Camera RAW: the preview comes out upright, however it lies in the file and whatever its own EXIF says."""

import struct

import numpy as np
import pytest
from odd_files import encode, photo, tiff_of
from PIL import Image

from imgsearch.media.decode import decode_bytes
from imgsearch.media.orientation import orient_image

pytest.importorskip("rawpy")

SIDE = 32
SCENE = photo(256, 192)
UNDO = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
ALL, TURNED = range(1, 9), (5, 6, 7, 8)


def stored(orientation: int) -> Image.Image:
    """As the sensor saw the scene."""
    return orient_image(SCENE, UNDO[orientation])


def jpeg(image: Image.Image, told: int = 0) -> bytes:
    exif = Image.Exif()
    if told:
        exif[0x0112] = told
    return encode(image, "JPEG", quality=95, **({"exif": exif} if told else {}))


def dng(orientation: int, preview: bytes, size: tuple[int, int], bitmap: bool = False) -> bytes:
    """A DNG of 64 x 48 sensor samples (48 x 64 where it lay on its side), whose first directory is the preview."""
    width, height = (48, 64) if orientation >= 5 else (64, 48)
    second = 8 + 2 + 12 * 14 + 4 + 200
    at_bits = second + 2 + 12 * 14 + 4 + 50
    at_preview = at_bits + 50
    one = [
        (254, 4, 1, 1),
        (256, 4, 1, size[0]),
        (257, 4, 1, size[1]),
        (258, 3, 3, at_bits),
        (259, 3, 1, 1 if bitmap else 7),
    ]
    one += [(262, 3, 1, 2 if bitmap else 6), (273, 4, 1, at_preview), (274, 3, 1, orientation), (277, 3, 1, 3)]
    one += [(278, 4, 1, size[1]), (279, 4, 1, len(preview)), (330, 4, 1, second)]
    one += [(0xC612, 1, 4, 0x0401), (0xC614, 2, 4, int.from_bytes(b"abc\0", "little"))]
    two = [(254, 4, 1, 0), (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 32803)]
    two += [(273, 4, 1, at_preview + len(preview)), (277, 3, 1, 1), (278, 4, 1, height)]
    two += [(279, 4, 1, 2 * width * height), (0x828D, 3, 2, 2 | 2 << 16), (0x828E, 1, 4, 0x02010100)]
    samples = np.random.default_rng(2).integers(0, 65535, width * height, dtype=np.uint16).tobytes()
    head = tiff_of(one).ljust(second, b"\0") + tiff_of(two)[8:]
    return head.ljust(at_bits, b"\0") + struct.pack("<3H", 8, 8, 8).ljust(50, b"\0") + preview + samples


def check(orientation: int, preview: bytes, size: tuple[int, int], bitmap: bool = False) -> None:
    decoded = decode_bytes(dng(orientation, preview, size, bitmap), SIDE, name="x.dng")
    wanted = np.asarray(SCENE.resize((SIDE, SIDE), Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(decoded.pixels.astype(int) - wanted).mean() < 5
    assert (decoded.facts.width, decoded.facts.height, decoded.facts.orientation) == (64, 48, orientation)


@pytest.mark.parametrize("orientation", ALL)
def test_preview_as_the_sensor_saw_it_is_turned_once(orientation: int) -> None:
    image = stored(orientation)
    check(orientation, jpeg(image), image.size)
    check(orientation, jpeg(image, orientation), image.size)


@pytest.mark.parametrize("orientation", ALL)
def test_preview_that_says_it_is_upright_is_left_alone(orientation: int) -> None:
    check(orientation, jpeg(SCENE, 1), SCENE.size)


@pytest.mark.parametrize("orientation", TURNED)
def test_preview_that_is_upright_is_known_by_its_aspect(orientation: int) -> None:
    check(orientation, jpeg(SCENE), SCENE.size)
    check(orientation, jpeg(SCENE, orientation), SCENE.size)


@pytest.mark.parametrize("orientation", ALL)
def test_bitmap_preview_is_turned_and_mirrored(orientation: int) -> None:
    image = stored(orientation)
    check(orientation, image.tobytes(), image.size, bitmap=True)


@pytest.mark.parametrize("orientation", TURNED)
def test_bitmap_preview_that_is_upright_is_left_alone(orientation: int) -> None:
    check(orientation, SCENE.tobytes(), SCENE.size, bitmap=True)
