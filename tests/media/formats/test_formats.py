"""Formats beyond the common ones, at every depth they have."""

import struct
from typing import Any

import numpy as np
import pytest
from known_pictures import (
    ALPHA,
    CHANNELS,
    GREY,
    GREY_IMAGE,
    HEIGHT,
    OVER,
    RGB,
    RGB_IMAGE,
    WIDTH,
    error,
    numbers,
)
from odd_files import encode, p3_profile
from PIL import Image

from imgsearch.media.decode import decode_bytes

RGBA_IMAGE = Image.fromarray(numbers(np.concatenate([RGB, ALPHA], axis=2), "u1"))


LA_IMAGE = Image.fromarray(numbers(np.concatenate([GREY[..., None], ALPHA], axis=2), "u1"), "LA")


@pytest.mark.parametrize(
    ("kind", "name", "modes"),
    [
        ("TGA", "x.tga", "L RGB RGBA LA P"),
        ("DDS", "x.dds", "L LA RGB RGBA"),
        ("PCX", "x.pcx", "1 L P RGB"),
        ("SGI", "x.sgi", "L RGB RGBA"),
        ("ICNS", "x.icns", "L RGB"),
        ("DIB", "x.dib", "1 L P RGB"),
        ("BMP", "x.dib", "1 L P RGB"),
        ("PPM", "x.pnm", "1 L RGB"),
        ("QOI", "x.qoi", "RGB RGBA"),
        ("JPEG2000", "x.jpf", "L LA RGB RGBA I;16"),
        ("JPEG", "x.svg", "L RGB CMYK"),
        ("JPEG", "", "RGB"),
        ("PNG", "x.txt", "1 L LA P RGB RGBA I;16"),
    ],
)
def test_pillows_formats_come_out_right(kind: str, name: str, modes: str) -> None:
    for mode in modes.split():
        image = {"LA": LA_IMAGE, "RGBA": RGBA_IMAGE, "L": GREY_IMAGE, "1": GREY_IMAGE.convert("1")}.get(mode, RGB_IMAGE)
        image = Image.fromarray(numbers(GREY, "u2")) if mode == "I;16" else image
        image = image.quantize(64) if mode == "P" else image.convert("CMYK") if mode == "CMYK" else image
        wanted = {"L": GREY, "I;16": GREY, "RGB": RGB, "CMYK": RGB, **OVER}.get(mode)
        wanted = np.asarray(image.convert("RGB")) / 255 if wanted is None else wanted
        options: dict[str, Any] = {"quality": 95} if kind == "JPEG" else {}
        assert error(encode(image, kind, **options), wanted, name) <= (5 if kind in ("JPEG", "ICNS") else 2), mode


@pytest.mark.parametrize("kind", ["P2", "P3", "P5", "P6", "P7", "PF", "Pf"])
def test_netpbm_of_every_depth(kind: str) -> None:
    picture = GREY if kind in ("P2", "P5", "Pf") else RGB
    if kind in ("PF", "Pf"):
        for scale, order in ((b"-1.0", "<f4"), (b"1.0", ">f4")):
            head = f"{kind}\n{WIDTH} {HEIGHT}\n".encode() + scale + b"\n"
            assert error(head + picture[::-1].astype(order).tobytes(), picture, "x.pfm") <= 1
        return
    for top in (15, 100, 255, 1023, 4095, 65535):
        samples = np.round(picture * top)
        packed = samples.astype(">u2" if top > 255 else "u1").tobytes()
        text = " ".join(str(int(each)) for each in samples.ravel()).encode()
        head = f"{kind}\n# a comment\n{WIDTH} {HEIGHT}\n{top}\n".encode()
        if kind == "P7":
            head = f"P7\nWIDTH {WIDTH}\nHEIGHT {HEIGHT}\nDEPTH 3\nMAXVAL {top}\nTUPLTYPE RGB\nENDHDR\n".encode()
        assert error(head + (text if kind in ("P2", "P3") else packed), samples / top) <= 2, top


@pytest.mark.parametrize("channels", CHANNELS)
def test_pam_with_and_without_alpha(channels: str) -> None:
    samples, wanted = CHANNELS[channels]
    for top, kind in ((255, "u1"), (65535, ">u2")):
        head = f"P7\nWIDTH {WIDTH}\nHEIGHT {HEIGHT}\nDEPTH {samples.shape[2]}\nMAXVAL {top}\nENDHDR\n".encode()
        assert error(head + numbers(samples, kind, top).tobytes(), wanted) <= 1


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_jpeg_2000_of_every_depth(channels: str, bits: int) -> None:
    codecs = pytest.importorskip("imagecodecs")
    samples, wanted = CHANNELS[channels]
    deep = numbers(samples, "u2" if bits > 8 else "u1", (1 << bits) - 1)
    for form in ("jp2", "j2k"):
        data = codecs.jpeg2k_encode(deep.squeeze(), level=0, codecformat=form, bitspersample=bits)
        assert error(data, wanted) <= 2, form


@pytest.mark.parametrize("picture", [GREY, RGB], ids=["grey", "colour"])
def test_jpeg_of_12_bits_lossless_and_ls(picture: np.ndarray) -> None:
    codecs = pytest.importorskip("imagecodecs")
    deep = numbers(picture, "u2", 4095)
    files = [codecs.jpeg8_encode(deep, level=95, bitspersample=12)]
    files += [codecs.jpeg8_encode(deep, lossless=True, bitspersample=12), codecs.jpegls_encode(numbers(picture, "u2"))]
    files += [codecs.jpeg8_encode(numbers(picture, "u1"), lossless=True), codecs.jpegls_encode(numbers(picture, "u1"))]
    for number, data in enumerate(files):
        assert error(data, picture) <= 4, number


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_jpeg_xl(mode: str) -> None:
    pytest.importorskip("pillow_jxl")
    image = {"L": GREY_IMAGE, "LA": LA_IMAGE, "RGB": RGB_IMAGE, "RGBA": RGBA_IMAGE}[mode]
    for container in (False, True):
        data = encode(image, "JXL", lossless=True, use_container=container)
        assert error(data, {"L": GREY, "RGB": RGB, **OVER}[mode], "x.jxl") <= 1
        facts = decode_bytes(data, 8).facts
        assert (facts.width, facts.height, facts.format) == (WIDTH, HEIGHT, "JXL")


@pytest.mark.parametrize("orientation", [3, 6])
def test_jpeg_packed_as_jpeg_xl_is_upright(orientation: int) -> None:
    """Its orientation lies in the codestream, which one reader applies and another leaves to us."""
    codecs = pytest.importorskip("imagecodecs")
    pytest.importorskip("pillow_jxl")
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = encode(RGB_IMAGE, "JPEG", quality=95, exif=exif)
    packed, plain = decode_bytes(codecs.jpegxl_encode_jpeg(turned), 28), decode_bytes(turned, 28)
    assert (packed.facts.width, packed.facts.height) == (plain.facts.width, plain.facts.height)
    assert np.abs(packed.pixels.astype(int) - plain.pixels).mean() < 2


def test_jpeg_xl_of_linear_light_and_of_pq() -> None:
    codecs = pytest.importorskip("imagecodecs")
    pytest.importorskip("pillow_jxl")
    data = codecs.jpegxl_encode(numbers(RGB, "f4"), lossless=True)  # which writes floats as light
    signal = np.where(RGB <= 0.0031308, 12.92 * RGB, 1.055 * np.maximum(RGB, 1e-9) ** (1 / 2.4) - 0.055)
    assert error(data, signal) <= 2


@pytest.mark.parametrize("kind", ["JPEG2000", "BMP"])
def test_profiles_that_pillow_does_not_see_are_used(kind: str) -> None:
    profile = p3_profile()
    image = Image.new("RGB", (16, 16), (200, 80, 60))
    data = encode(image, kind)
    if kind == "BMP":  # a header of version 5 with the profile behind the pixels
        pixels = data[54:]
        header = data[14:54].replace(data[14:18], struct.pack("<I", 124), 1) + bytes(16) + b"DEBM"
        header = header.ljust(124 - 16, b"\0") + struct.pack("<IIII", 4, 124 + len(pixels), len(profile), 0)
        body = header + pixels + profile
        data = b"BM" + struct.pack("<IHHI", 14 + len(body), 0, 0, 14 + 124) + body
    else:
        at = data.index(b"colr") - 4
        old = int.from_bytes(data[at : at + 4], "big")
        box = struct.pack(">I", 11 + len(profile)) + b"colr" + b"\2\0\0" + profile
        head = data.index(b"jp2h") - 4
        size = int.from_bytes(data[head : head + 4], "big") + len(box) - old
        data = data[:head] + struct.pack(">I", size) + data[head + 4 : at] + box + data[at + old :]
    reference = decode_bytes(encode(image, "PNG", icc_profile=profile), 8).pixels[4, 4].astype(int)
    assert np.abs(decode_bytes(data, 8).pixels[4, 4] - reference).max() <= 1
    assert np.abs(reference - (200, 80, 60)).max() > 5


def test_noise_from_an_empty_profile_is_not_shown() -> None:
    profile = bytearray(p3_profile())
    for name in (b"rXYZ", b"gXYZ", b"bXYZ"):
        at = int.from_bytes(profile[profile.index(name) + 4 :][:4], "big")
        profile[at + 8 : at + 20] = bytes(12)
    assert error(encode(RGB_IMAGE, "PNG", icc_profile=bytes(profile)), RGB) <= 1


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("bits", [1, 4, 7])
def test_jpeg_2000_of_few_bits_reaches_white(channels: str, bits: int) -> None:
    codecs = pytest.importorskip("imagecodecs")
    top = (1 << bits) - 1
    stored = numbers(CHANNELS[channels][0], "u1", top)
    shown = stored / top
    if channels.endswith("alpha"):
        shown = shown[..., :-1] * shown[..., -1:] + 1 - shown[..., -1:]
    data = codecs.jpeg2k_encode(stored.squeeze(), level=0, codecformat="jp2", bitspersample=bits)
    assert error(data, shown.squeeze()) <= 1
