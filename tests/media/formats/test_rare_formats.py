"""Formats that few programs write: JPEG 2000 of unlike components, JPEG XR, uncompressed HEIF, PSD of layers alone."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from iso_files import Item, imir, iso_file
from PIL import Image
from unlike_components import WHOLE_ROWS, component, unlike_file

from imgsearch.errors import MediaError
from imgsearch.media.decode import decode_bytes, open_upright
from imgsearch.media.limits import MIB, DecodeLimits

FULL = 4096


def shown(tmp_path: Path, data: bytes, name: str = "x", limits: DecodeLimits | None = None) -> np.ndarray:
    path = tmp_path / name
    path.write_bytes(data)
    return np.asarray(open_upright(path, FULL, **({"limits": limits} if limits else {})), int)


def rgb_of(ycc: list[np.ndarray]) -> np.ndarray:
    """JFIF's equations, which are sYCC's."""
    light, blue, red = ycc[0], ycc[1] - 128, ycc[2] - 128
    parts = [light + 1.402 * red, light - 0.344136 * blue - 0.714136 * red, light + 1.772 * blue]
    return np.stack(parts, axis=-1).clip(0, 255)


@pytest.mark.parametrize(
    ("name", "steps", "is_ycc"),
    [
        ("4:2:0", [(1, 1), (2, 2), (2, 2)], True),
        ("4:1:1", [(1, 1), (4, 1), (4, 1)], True),
        ("4:4:0", [(1, 1), (1, 2), (1, 2)], True),
        ("rgb", [(1, 1), (1, 1), (2, 2)], False),
        ("grey", [(2, 2)], False),
    ],
)
def test_jpeg_2000_of_unlike_components_is_enlarged(
    tmp_path: Path, name: str, steps: list[tuple[int, int]], is_ycc: bool
) -> None:
    pytest.importorskip("openjpeg")
    parts = [component(number, *step) for number, step in enumerate(steps)]
    expected = rgb_of(parts) if is_ycc else np.stack(parts if len(parts) == 3 else parts * 3, axis=-1)
    found = shown(tmp_path, unlike_file(name))
    assert found.shape == expected.shape
    assert np.abs(found - expected)[:WHOLE_ROWS].max() <= 2


def test_jpeg_2000_with_a_smaller_transparency_lies_on_white(tmp_path: Path) -> None:
    pytest.importorskip("openjpeg")
    expected = component(0, 1, 1) * 128 / 255 + 255 * (1 - 128 / 255)
    assert np.abs(shown(tmp_path, unlike_file("alpha"))[..., 0] - expected)[:WHOLE_ROWS].max() <= 1.5


def test_jpeg_2000_of_unlike_components_keeps_within_the_limit(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="more than the limit"):
        shown(tmp_path, unlike_file("4:2:0"), limits=DecodeLimits(memory_bytes=1000))


# JPEG XR


def jxr(samples: np.ndarray) -> bytes:
    return bytes(pytest.importorskip("imagecodecs").jpegxr_encode(samples, 1.0))


def square(channels: int = 3) -> np.ndarray:
    samples = np.zeros((16, 24, channels), np.uint8)
    samples[..., :3] = 250, 0, 10
    samples[:8, :, 1] = 100
    if channels == 4:
        samples[..., 3] = 125
    return samples


def srgb(light: float) -> float:
    return 255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)


def test_jpeg_xr_is_read_at_every_depth(tmp_path: Path) -> None:
    for samples in (square(), square().astype(np.uint16) * 257):
        found = shown(tmp_path, jxr(samples))
        assert found[0, 0].tolist() == [250, 100, 10] and found[15, 0].tolist() == [250, 0, 10]
    assert shown(tmp_path, jxr(square()[..., 1]))[0, 0].tolist() == [100] * 3
    clear = [round(each * 125 / 255 + 255 * 130 / 255) for each in (250, 100, 10)]
    assert np.abs(shown(tmp_path, jxr(square(4)))[0, 0] - clear).max() <= 1


def test_jpeg_xr_of_floats_is_linear_light(tmp_path: Path) -> None:
    light = square().astype(np.float32) / 255
    for kind in (np.float32, np.float16):
        found = shown(tmp_path, jxr(light.astype(kind)))[0, 0]
        assert np.abs(found - [srgb(each / 255) for each in (250, 100, 10)]).max() <= 1
    bright = shown(tmp_path, jxr(4 * light))[0, 0]  # up to 314 cd/m2: its white is 203, and its hue is kept
    assert np.abs(bright - [srgb(1), srgb(100 / 250), srgb(10 / 250)]).max() <= 2


def test_jpeg_xr_has_its_facts_and_limits(tmp_path: Path) -> None:
    data = jxr(square())
    facts = decode_bytes(data, 32).facts
    assert (facts.format, facts.width, facts.height) == ("JXR", 24, 16)
    with pytest.raises(MediaError, match="more than the limit"):
        shown(tmp_path, data, limits=DecodeLimits(memory_bytes=1000))
    for stop in (3, 20, 60, len(data) // 2):
        with pytest.raises(MediaError):
            decode_bytes(data[:stop], 32)


# Uncompressed HEIF (ISO/IEC 23001-17)

MONO, LUMA, BLUE_DIFFERENCE, RED_DIFFERENCE, RED, GREEN, BLUE, ALPHA = range(8)
SIZE = WIDTH, HEIGHT = 24, 16


def bare(
    components: list[tuple[int, int]],
    data: bytes,
    *,
    interleave: int = 0,
    sampling: int = 0,
    flags: int = 0,
    sizes: tuple[int, int, int] = (0, 0, 0),
    tiles: tuple[int, int] = (1, 1),
    packed: bytes = b"",
    more: tuple[tuple[bytes, bytes], ...] = (),
) -> bytes:
    """``components``: (type, bits); ``sizes``: of a pixel, and what rows and tiles are aligned to."""
    kinds = struct.pack(">I", len(components)) + b"".join(struct.pack(">H", kind) for kind, _ in components)
    layout = bytes(8) + struct.pack(">I", len(components))
    layout += b"".join(struct.pack(">HBBB", at, bits - 1, 0, 0) for at, (_, bits) in enumerate(components))
    layout += bytes([sampling, interleave, 0, flags]) + struct.pack(">5I", *sizes, tiles[0] - 1, tiles[1] - 1)
    properties = [(b"ispe", struct.pack(">III", 0, *SIZE)), (b"cmpd", kinds), (b"uncC", layout), *more]
    if packed:
        properties.append((b"cmpC", bytes(4) + packed + b"\0"))
    return iso_file([Item(b"unci", data, properties)], b"mif1")


def picture(channels: int = 3) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, channels)).astype(np.uint8)


RGB = [(RED, 8), (GREEN, 8), (BLUE, 8)]


@pytest.mark.parametrize(
    ("interleave", "axes"), [(0, (2, 0, 1)), (1, (0, 1, 2)), (3, (0, 2, 1))], ids=["component", "pixel", "row"]
)
def test_bare_rgb_is_read_in_every_order(tmp_path: Path, interleave: int, axes: tuple[int, ...]) -> None:
    samples = picture()
    data = bare(RGB, samples.transpose(axes).tobytes(), interleave=interleave)
    assert (shown(tmp_path, data) == samples).all()
    packed = zlib.compress(samples.transpose(axes).tobytes())
    assert (shown(tmp_path, bare(RGB, packed, interleave=interleave, packed=b"zlib")) == samples).all()
    mirrored = bare(RGB, samples.transpose(axes).tobytes(), interleave=interleave, more=(imir(1),))
    assert (shown(tmp_path, mirrored) == samples[:, ::-1]).all()


@pytest.mark.parametrize("little", [False, True])
def test_bare_samples_of_16_bits_are_read(tmp_path: Path, little: bool) -> None:
    samples = picture().astype(np.uint16) * 257
    data = samples.astype("<u2" if little else ">u2").tobytes()
    components = [(kind, 16) for kind, _ in RGB]
    found = shown(tmp_path, bare(components, data, interleave=1, flags=0x80 if little else 0))
    assert (found == picture()).all()


def test_bare_tiles_and_padding_are_read(tmp_path: Path) -> None:
    samples = picture()
    parts = b""
    for top in (0, 8):
        for left in (0, 8, 16):
            tile = samples[top : top + 8, left : left + 8].reshape(8, -1)
            rows = np.pad(tile, ((0, 0), (0, 30 - 24)))  # rows of 30 bytes, tiles of 256
            parts += rows.tobytes().ljust(256, b"\7")
    found = shown(tmp_path, bare(RGB, parts, interleave=1, sizes=(0, 30, 256), tiles=(3, 2)))
    assert (found == samples).all()


def test_bare_samples_of_5_and_6_bits_are_read(tmp_path: Path) -> None:
    values = picture().astype(int)
    red, green, blue = values[..., 0] >> 3, values[..., 1] >> 2, values[..., 2] >> 3
    data = (red << 11 | green << 5 | blue).astype(">u2").tobytes()
    found = shown(tmp_path, bare([(RED, 5), (GREEN, 6), (BLUE, 5)], data, interleave=1))
    expected = np.stack([red * 255 / 31, green * 255 / 63, blue * 255 / 31], axis=-1)
    assert np.abs(found - expected).max() <= 0.6


@pytest.mark.parametrize(("sampling", "down"), [(1, 1), (2, 2)])
@pytest.mark.parametrize("mixed", [False, True])
def test_bare_ycbcr_shares_its_colour(tmp_path: Path, sampling: int, down: int, mixed: bool) -> None:
    light = picture(1)[..., 0].astype(float)
    blue, red = (np.full((HEIGHT // down, WIDTH // 2), value, np.uint8) for value in (100, 160))
    shared = np.stack([blue, red], axis=-1).tobytes() if mixed else blue.tobytes() + red.tobytes()
    components = [(LUMA, 8), (BLUE_DIFFERENCE, 8), (RED_DIFFERENCE, 8)]
    data = light.astype(np.uint8).tobytes() + shared
    found = shown(tmp_path, bare(components, data, interleave=2 if mixed else 0, sampling=sampling))
    assert np.abs(found - rgb_of([light, np.full_like(light, 100), np.full_like(light, 160)])).max() <= 1


def test_bare_grey_and_transparency_are_read(tmp_path: Path) -> None:
    grey, alpha = picture(2)[..., 0], picture(2)[..., 1]
    assert (shown(tmp_path, bare([(MONO, 8)], grey.tobytes())) == grey[..., None]).all()
    found = shown(tmp_path, bare([(ALPHA, 8), (MONO, 8)], alpha.tobytes() + grey.tobytes()))
    expected = grey * (alpha / 255) + 255 * (1 - alpha / 255)
    assert np.abs(found[..., 0] - expected).max() <= 0.6


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bare(RGB, bytes(100)), "cut off"),
        (bare([(RED, 8), (RED, 8), (BLUE, 8)], bytes(2000)), "not supported"),
        (bare([(RED, 32), (GREEN, 32), (BLUE, 32)], bytes(9000)), "not supported"),
        (bare(RGB, bytes(2000), interleave=1, sizes=(1, 0, 0)), "not supported"),
        (bare(RGB, bytes(2000), tiles=(5, 1)), "not supported"),
        (bare(RGB, b"x" * 100, packed=b"zlib"), "damaged"),
        (bare(RGB, b"x" * 100, packed=b"lzma"), "not supported"),
    ],
)
def test_bare_samples_that_are_not_there_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(MediaError, match=reason):
        decode_bytes(data, 32)


def test_bare_samples_keep_within_the_limit(tmp_path: Path) -> None:
    bomb = bare(RGB, zlib.compress(bytes(100 * MIB)), packed=b"zlib")
    assert (shown(tmp_path, bomb) == 0).all()
    with pytest.raises(MediaError, match="more than the limit"):
        shown(tmp_path, bomb, limits=DecodeLimits(memory_bytes=1000))


# Photoshop documents without a merged picture


def layered(**changes: object) -> bytes:
    psd_tools = pytest.importorskip("psd_tools")
    document = psd_tools.PSDImage.new("RGB", (32, 24))
    document.create_pixel_layer(Image.new("RGB", (32, 24), (0, 0, 40)), "base", 0, 0)
    top = document.create_pixel_layer(Image.new("RGBA", (16, 12), (255, 0, 0, 128)), "top", top=6, left=8)
    hidden = document.create_pixel_layer(Image.new("RGBA", (32, 24), (0, 255, 0, 255)), "hidden", 0, 0)
    hidden.visible = False
    for name, value in changes.items():
        setattr(top, name, value)
    buffer = io.BytesIO()
    document.save(buffer)
    data = bytearray(buffer.getvalue())
    data[data.index(b"8BIM\x04\x21") + 16] = 0  # VersionInfo: has real merged data
    return bytes(data)


def test_layers_alone_are_laid_over_one_another(tmp_path: Path) -> None:
    found = shown(tmp_path, layered(), "x.psd")
    assert found.shape == (24, 32, 3) and found[0, 0].tolist() == [0, 0, 40]
    assert np.abs(found[12, 16] - [128, 0, 20]).max() <= 1
    assert np.abs(shown(tmp_path, layered(opacity=128), "x.psd")[12, 16] - [64, 0, 30]).max() <= 1
    assert shown(tmp_path, layered(visible=False), "x.psd")[12, 16].tolist() == [0, 0, 40]


def test_layers_that_take_too_much_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="more than the limit"):
        shown(tmp_path, layered(), limits=DecodeLimits(memory_bytes=1000))
