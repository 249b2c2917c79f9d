"""What lies in a file beside its pictures and metadata is named, and does not come from an ordinary file."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image, TiffImagePlugin

from imgsearch.media.samples.other_data import SIGNED
from imgsearch.media.samples.whole import FileTraits, describe_file

PICTURE = Image.radial_gradient("L").resize((48, 40)).convert("RGB")
CLAIM = b"\0\0\0\x26jumdc2pa" + bytes(range(64))
BEHIND = {
    "zip": b"PK\x03\x04\x14\0\0\0" + bytes(range(60)),
    "text": b"\nthe code of the safe is 4711\n",
    "JPEG": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(range(40)) + b"\xff\xd9",
}
FORMATS = {"jpg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP", "bmp": "BMP", "tif": "TIFF", "ppm": "PPM"} | {
    "jp2": "JPEG2000",
    "avif": "AVIF",
}


def encoded(suffix: str, **how) -> bytes:
    stream = io.BytesIO()
    PICTURE.save(stream, FORMATS[suffix], **how)
    return stream.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def box(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data) + 8) + name + data


def in_tiff() -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[0xCD41], tags.tagtype[0xCD41] = CLAIM, 7
    return encoded("tif", tiffinfo=tags)


def in_riff(plain: bytes) -> bytes:
    body = plain[8:] + b"C2PA" + struct.pack("<I", len(CLAIM)) + CLAIM
    return b"RIFF" + struct.pack("<I", len(body)) + body


def signed(suffix: str) -> bytes:
    plain = encoded(suffix)
    segment = b"JP\0\1\0\0\0\1" + box(b"jumb", CLAIM)
    uuid = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
    ways = {
        "jpg": lambda: plain[:2] + b"\xff\xeb" + struct.pack(">H", len(segment) + 2) + segment + plain[2:],
        "png": lambda: plain[:33] + chunk(b"caBX", CLAIM) + plain[33:],
        "gif": lambda: plain[:-1] + b"!\xff\x0bC2PA_GIF\1\0\0\x20" + CLAIM[:32] + b"\0;",
        "webp": lambda: in_riff(plain),
        "tif": in_tiff,
        "avif": lambda: plain + box(b"uuid", uuid + CLAIM),
        "jp2": lambda: plain + box(b"jumb", CLAIM),
    }
    return ways[suffix]()


def traits(tmp_path, suffix: str, data: bytes) -> FileTraits:
    path = tmp_path / f"picture.{suffix}"
    path.write_bytes(data)
    return describe_file(path)


@pytest.mark.parametrize("suffix", FORMATS)
def test_data_behind_the_picture_is_told_from_padding(tmp_path, suffix) -> None:
    plain = encoded(suffix)
    assert traits(tmp_path, suffix, plain).other_data == {}
    assert traits(tmp_path, suffix, plain + bytes(64)).other_data == {}
    seen = [traits(tmp_path, suffix, plain + data).other_data for data in BEHIND.values()]
    assert all(len(found) == 1 for found in seen)
    assert len({digest for found in seen for digest in found}) == len(BEHIND)


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "webp", "tif", "avif", "jp2"])
def test_signed_statement_is_named(tmp_path, suffix) -> None:
    found = traits(tmp_path, suffix, signed(suffix))
    assert list(found.other_data.values()) == [SIGNED]
    assert FileTraits.from_json(found.to_json()) == found


def test_measurements_of_an_instrument_count_and_metadata_do_not(tmp_path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    plain = encoded("jpg", exif=exif, xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>", comment=b"a word", dpi=(72, 72))
    assert traits(tmp_path, "jpg", plain).other_data == {}
    thermal = b"FLIR\0\1\0\0" + bytes(range(100))
    with_it = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(thermal) + 2) + thermal + plain[2:]
    assert len(traits(tmp_path, "jpg", with_it).other_data) == 1
    layers = TiffImagePlugin.ImageFileDirectory_v2()
    layers[37724], layers.tagtype[37724] = b"Adobe Photoshop Document Data Block\0" + bytes(range(50)), 7
    assert len(traits(tmp_path, "tif", encoded("tif", tiffinfo=layers)).other_data) == 1


def test_palettes_are_told_apart(tmp_path) -> None:
    mask = PICTURE.convert("L").point(lambda level: level // 86).convert("P")
    found = []
    for colours in ([0, 0, 0, 128, 0, 0, 0, 128, 0], [0, 0, 0, 0, 128, 0, 128, 0, 0]):
        mask.putpalette(colours)
        mask.save(tmp_path / "mask.png")
        found.append(describe_file(tmp_path / "mask.png").palette)
    assert all(found) and len(set(found)) == 2
    assert traits(tmp_path, "png", encoded("png")).palette == ""


def test_preview_of_a_camera_is_no_other_data(tmp_path) -> None:
    stream = io.BytesIO()
    PICTURE.save(stream, "MPO", save_all=True, append_images=[PICTURE.resize((24, 20))])
    assert traits(tmp_path, "jpg", stream.getvalue()).other_data == {}
