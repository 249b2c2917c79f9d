"""`describe_file`: what the headers of a file tell of its depth, its transparency, its loss and its colours."""

import struct

import numpy as np
from odd_files import encode, in_mode, p3_profile, photo, png_chunk
from PIL import ImageCms
from whole_files import (
    Page,
    animation,
    box,
    deep_png,
    ppm_bytes,
    tiff_bytes,
)
from whole_traits import JPEG, PNG, heif_bytes


def test_depth_is_that_of_the_samples(traits) -> None:
    deep = np.arange(60, dtype=np.uint16).reshape(4, 5, 3)
    assert traits(deep_png(deep)).depth == 16
    assert traits(tiff_bytes([Page(deep)])).depth == 16
    assert traits(ppm_bytes(deep, 65535)).depth == 16
    assert traits(ppm_bytes(deep, 1023)).depth == 10
    assert traits(encode(in_mode(photo(), "F"), "TIFF")).depth == 32
    assert traits(encode(photo().convert("1"), "PNG")).depth == 1
    assert traits(encode(photo().quantize(4), "PNG", bits=2)).depth == 8  # a palette
    assert traits(JPEG).depth == traits(encode(photo(), "GIF")).depth == 8


def test_depth_of_heif_is_told_by_its_properties(traits) -> None:
    hevc = bytes(17) + bytes([0b11111010]) + bytes(5)  # bit_depth_luma_minus8 = 2
    assert traits(heif_bytes([box(b"hvcC", hevc)])).depth == 10
    assert traits(heif_bytes([box(b"pixi", bytes(4) + bytes([3, 12, 12, 12]))])).depth == 12


def test_alpha_is_told_from_the_header(traits) -> None:
    clear = photo().convert("RGBA")
    clear.putalpha(100)
    for kind in ("PNG", "WEBP", "TIFF", "AVIF", "QOI", "JPEG2000"):
        assert traits(encode(clear, kind)).has_alpha, kind
        assert not traits(encode(photo(), kind)).has_alpha, kind
    assert traits(encode(clear, "WEBP", lossless=True)).has_alpha
    assert traits(encode(photo().quantize(8), "GIF", transparency=0)).has_alpha
    assert traits(encode(photo(), "PNG", transparency=(1, 2, 3))).has_alpha


def test_lossless_is_told_from_the_encoding(traits) -> None:
    for kind in ("PNG", "BMP", "GIF", "TIFF", "ICO", "QOI", "PPM"):
        assert traits(encode(photo(), kind)).lossless is True, kind
    assert traits(encode(photo(), "TIFF", compression="jpeg")).lossless is False
    assert traits(encode(photo(), "WEBP")).lossless is False
    assert traits(encode(photo(), "WEBP", lossless=True)).lossless is True
    assert traits(animation("WEBP", ["red", "blue"], lossless=True)).lossless is True
    assert traits(encode(photo(), "AVIF")).lossless is None
    assert traits(encode(photo(), "JPEG2000", irreversible=True)).lossless is False


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def grey_profile(gamma: float) -> bytes:
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    table = b"kTRC" + struct.pack(">II", 144, len(curve))
    header = bytes(16) + b"GRAYXYZ " + bytes(12) + b"acsp" + bytes(88)
    return header + struct.pack(">I", 1) + table + curve


def test_profile_is_empty_for_srgb_and_named_for_others(traits) -> None:
    assert traits(encode(photo(), "JPEG", icc_profile=srgb())).profile == ""
    wide = {traits(encode(photo(), kind, icc_profile=p3_profile())).profile for kind in ("JPEG", "PNG", "WEBP", "TIFF")}
    assert len(wide) == 1
    assert wide.pop().startswith("Display P3 ")
    assert traits(encode(photo(), "JPEG", icc_profile=b"rubbish" * 40)).profile == ""
    grey = photo().convert("L")
    assert traits(encode(grey, "JPEG", icc_profile=grey_profile(2.2))).profile == ""
    assert traits(encode(grey, "JPEG", icc_profile=grey_profile(1.8))).profile.startswith("GRAY ")
    # A grey profile on a picture of colours says nothing.
    assert traits(encode(photo(), "JPEG", icc_profile=grey_profile(1.8))).profile == ""


def test_code_points_name_a_profile(traits) -> None:
    def tagged(*codes: int) -> str:
        return traits(PNG[:33] + png_chunk(b"cICP", bytes(codes)) + PNG[33:]).profile

    assert tagged(1, 13, 0, 1) == ""
    assert tagged(9, 16, 0, 1) == "cicp 9-16"
    assert tagged(12, 13, 0, 1) == traits(encode(photo(), "PNG", icc_profile=p3_profile())).profile
    nclx = box(b"colr", b"nclx" + struct.pack(">HHHB", 9, 18, 9, 128))
    assert traits(heif_bytes([nclx])).profile == "cicp 9-18"


def test_gamma_of_a_png_names_a_profile(traits) -> None:
    def with_gamma(value: int) -> str:
        return traits(PNG[:33] + png_chunk(b"gAMA", struct.pack(">I", value)) + PNG[33:]).profile

    assert with_gamma(45455) == ""
    assert with_gamma(100_000) == "gamma 1.00"


def test_adobe_rgb_is_told_by_the_interoperability_index(traits) -> None:
    # Pillow does not write the table: EXIF -> Interoperability IFD (0xA005) -> index "R03".
    interop = struct.pack("<HHHI4sI", 1, 1, 2, 4, b"R03\0", 0)
    details = struct.pack("<HHHIII", 1, 0xA005, 4, 1, 8 + 18 + 18, 0)
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHIII", 8, 1, 0x8769, 4, 1, 26, 0) + details + interop
    assert traits(encode(photo(), "JPEG", exif=exif)).profile.startswith("Adobe RGB ")
