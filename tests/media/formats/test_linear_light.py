"""Samples that are proportional to light: 16-bit PNG, JPEG XL, Radiance HDR. The right value is sRGB's definition."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from known_pictures import RGB, error, numbers

from imgsearch.errors import MediaError
from imgsearch.media.decode import decode_bytes

LIGHT = np.where(RGB <= 0.04045, RGB / 12.92, ((RGB + 0.055) / 1.055) ** 2.4)
HEIGHT, WIDTH = LIGHT.shape[:2]


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def linear_png(light: np.ndarray) -> bytes:
    rows = b"".join(b"\0" + row.tobytes() for row in numbers(light, ">u2"))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 2, 0, 0, 0)),
        (b"gAMA", struct.pack(">I", 100_000)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def radiance(light: np.ndarray, first: str = "-Y", second: str = "+X", head: bytes = b"#?RADIANCE\n") -> bytes:
    """Flat RGBE, which every reader takes: three mantissas and an exponent."""
    mantissa, exponent = np.frexp(light.max(axis=-1))
    shared = np.where(light.max(axis=-1) > 1e-30, mantissa * 256 / np.maximum(light.max(axis=-1), 1e-30), 0)
    pixels = np.concatenate([light * shared[..., None], exponent[..., None] + 128], axis=-1).astype(np.uint8)
    size = f"{first} {light.shape[0]} {second} {light.shape[1]}\n".encode()
    return head + b"FORMAT=32-bit_rle_rgbe\n\n" + size + pixels.tobytes()


def test_png_of_16_bits_in_linear_light_keeps_its_shadows() -> None:
    dark = LIGHT * 0.02  # with 8 bits there would be six steps
    encoded = np.where(dark <= 0.0031308, 12.92 * dark, 1.055 * np.maximum(dark, 1e-9) ** (1 / 2.4) - 0.055)
    assert error(linear_png(LIGHT), RGB) <= 1
    assert error(linear_png(dark), encoded) <= 1


@pytest.mark.parametrize("kind", ["u2", "f2", "f4"])
def test_jpeg_xl_in_linear_light_is_shown_as_srgb(kind: str) -> None:
    """imagecodecs declares what it writes of more than 8 bits as linear; jxlinfo says so, too."""
    pytest.importorskip("pillow_jxl")
    codecs = pytest.importorskip("imagecodecs")
    assert error(codecs.jpegxl_encode(numbers(LIGHT, kind), lossless=True), RGB) <= 1
    if kind == "f4":  # most of it beyond white
        bright = codecs.jpegxl_encode((LIGHT[..., :1] * 0 + [4.0, 2.0, 0.5]).astype("f4"), lossless=True)
        assert decode_bytes(bright, 8).pixels[4, 4].tolist() == [255, 255, 188]


@pytest.mark.parametrize("first", ["-Y", "+Y"])
@pytest.mark.parametrize("second", ["+X", "-X"])
def test_radiance_picture_is_shown_upright(first: str, second: str) -> None:
    pytest.importorskip("imagecodecs")
    stored = LIGHT[:: 1 if first == "-Y" else -1, :: 1 if second == "+X" else -1]
    assert error(radiance(stored, first, second), RGB, "x.hdr") <= 2


def test_radiance_picture_in_columns_is_shown_upright() -> None:
    """ "+X W -Y H": the columns are stored one after the other, each from the top."""
    pytest.importorskip("imagecodecs")
    stored = np.swapaxes(LIGHT, 0, 1)
    assert error(radiance(stored, "+X", "-Y", b"#?RGBE\n"), RGB) <= 2


def test_radiance_picture_beyond_white_keeps_its_hue_and_a_dark_one_is_seen() -> None:
    pytest.importorskip("imagecodecs")
    lamp = LIGHT.copy()
    lamp[:4, :4] = [8.0, 4.0, 0.0]
    corner = decode_bytes(radiance(lamp), WIDTH).pixels[0, 0]
    assert np.abs(corner.astype(int) - [255, 188, 0]).max() <= 2
    assert np.median(decode_bytes(radiance(LIGHT / 1000), 32).pixels) > 60
    assert np.median(decode_bytes(radiance(LIGHT * 1000), 32).pixels) < 220


def test_radiance_picture_that_is_cut_off_or_in_xyz_is_refused() -> None:
    pytest.importorskip("imagecodecs")
    with pytest.raises(MediaError, match="Radiance HDR picture"):
        decode_bytes(radiance(LIGHT)[:-2000], 8)
    with pytest.raises(MediaError, match="not supported: a Radiance HDR picture in XYZ"):
        decode_bytes(radiance(LIGHT).replace(b"rgbe", b"xyze"), 8)
    with pytest.raises(MediaError, match="decoding it needs"):
        decode_bytes(radiance(LIGHT).replace(b"-Y 48 +X 64", b"-Y 99999 +X 99999"), 8)
