"""TIFF of every depth, sign, order and layout: the real range is scaled to 8 bits, or the reason is true."""

import io
import pickle
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from known_pictures import ALPHA, GREY, HEIGHT, RGB, WIDTH, error, numbers, on_white
from lab import lab_of
from odd_files import tiff_of
from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.media.decode import decode_bytes, open_upright

PLAIN = {"minisblack": GREY, "miniswhite": GREY, "rgb": RGB}


def tiff(samples: np.ndarray, **options: Any) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, samples, metadata=None, **options)
    return out.getvalue()


def planes(samples: np.ndarray, planar: str) -> np.ndarray:
    return samples if planar == "contig" else np.moveaxis(samples, -1, 0).copy()


@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8", ">u2", ">u4", ">f4"])
@pytest.mark.parametrize("photometric", PLAIN)
@pytest.mark.parametrize("compression", [None, "zlib", "packbits"])
def test_samples_of_every_type_fill_the_range(kind: str, photometric: str, compression: str | None) -> None:
    picture = PLAIN[photometric]
    samples = numbers(1 - picture if photometric == "miniswhite" else picture, kind)
    order = ">" if kind.startswith(">") else "<"
    for planar in ("contig", "separate") if photometric == "rgb" else ("contig",):
        layout = {"planarconfig": planar} if photometric == "rgb" else {}
        data = tiff(
            planes(samples, planar), photometric=photometric, compression=compression, byteorder=order, **layout
        )
        assert error(data, picture) <= 2, planar


@pytest.mark.parametrize("compression", ["lzw", "zstd", "lzma", "jpeg2000", "webp", "png", "lerc", "jpegxl", "jpegxr"])
def test_codecs_of_imagecodecs_are_read(compression: str) -> None:
    pytest.importorskip("imagecodecs")
    for kind in ("u1", "u2", "f4"):
        try:
            data = tiff(numbers(RGB, kind), photometric="rgb", compression=compression)
        except (ValueError, NotImplementedError, RuntimeError, KeyError, TypeError):
            continue  # the codec has no such samples
        assert error(data, RGB) <= (6 if compression in ("webp", "jpegxr") else 2), kind


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15])
def test_packed_bits_fill_the_range(bits: int) -> None:
    pytest.importorskip("imagecodecs")  # writes them
    top = (1 << bits) - 1
    for photometric, picture in PLAIN.items():
        kind = "u2" if bits > 8 else "u1"
        samples = numbers(1 - picture if photometric == "miniswhite" else picture, kind, top)
        wanted = 1 - samples / top if photometric == "miniswhite" else samples / top
        assert error(tiff(samples, photometric=photometric, bitspersample=bits), wanted) <= 2, photometric


def test_colours_of_one_bit_each_are_read() -> None:
    bits = RGB > 0.5
    data = np.packbits(bits.reshape(HEIGHT, -1), axis=1).tobytes()
    tags = [(256, 3, WIDTH), (257, 3, HEIGHT), (258, 3, 1), (259, 3, 1), (262, 3, 2), (273, 4, 8), (277, 3, 3)]
    tags += [(278, 3, HEIGHT), (279, 4, len(data))]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    head = b"II*\0" + struct.pack("<I", 8 + len(data)) + data
    picture = head + struct.pack("<H", len(tags)) + entries + bytes(4)
    assert error(picture, bits.astype(float)) <= 1


@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("extra", ["unassalpha", "assocalpha", "unspecified"])
def test_alpha_is_put_on_white_and_other_channels_left_out(kind: str, planar: str, extra: str) -> None:
    for photometric, picture in (("rgb", RGB), ("minisblack", GREY[..., None])):
        colour = picture * ALPHA if extra == "assocalpha" else picture
        samples = numbers(np.concatenate([colour, ALPHA], axis=2), kind)
        data = tiff(planes(samples, planar), photometric=photometric, extrasamples=[extra], planarconfig=planar)
        wanted = picture if extra == "unspecified" else on_white(picture)
        assert error(data, wanted if photometric == "rgb" else wanted[..., 0]) <= 2, photometric


@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_cmyk_is_ink(kind: str, planar: str) -> None:
    samples = numbers(np.concatenate([1 - RGB, np.zeros((HEIGHT, WIDTH, 1))], axis=2), kind)
    assert error(tiff(planes(samples, planar), photometric="separated", planarconfig=planar), RGB) <= 2


@pytest.mark.parametrize(
    ("samples", "tags", "picture"),
    [
        (numbers(GREY, "u2", 4095), [(341, "H", 1, 4095, True)], GREY),
        (numbers(GREY, "u2", 4095), [(281, "H", 1, 4095, True)], GREY),
        (numbers(GREY, "f4", 100), [(340, "f", 1, 0.0, True), (341, "f", 1, 100.0, True)], GREY),
        (numbers(GREY, "f4", 100) - 50, [(340, "f", 1, -50.0, True), (341, "f", 1, 50.0, True)], GREY),
        ((GREY * 2000 - 1000).astype("i2"), [(340, "h", 1, -1000, True), (341, "h", 1, 1000, True)], GREY),
        (numbers(GREY, "u4", 255), [], GREY),
        (numbers(GREY, "i4", 65535), [], GREY),
        (numbers(GREY, "f4", 255), [], GREY),
        (np.where(GREY > 0.95, 1.3, GREY).astype("f4"), [], np.where(GREY > 0.95, 1, GREY)),
        ((GREY * 1.02 - 0.02).astype("f4"), [], GREY * 1.02 - 0.02),
        (numbers(GREY * 0.3, "f4"), [], GREY * 0.3),
        (np.where(GREY > 0.99, -9999, GREY).astype("f4"), [], np.where(GREY > 0.99, 0, GREY)),  # marks of no value
        (np.where(GREY > 0.99, -np.inf, GREY * 3000).astype("f4"), [], np.where(GREY > 0.99, 0, (GREY - 0.1) / 0.89)),
        (np.where(GREY > 0.99, np.nan, GREY * 6 - 3).astype("f4"), [], (GREY - 0.1) / 0.89),
    ],
)
def test_the_range_that_is_told_or_used_counts(samples: np.ndarray, tags: list[Any], picture: np.ndarray) -> None:
    assert error(tiff(samples, photometric="minisblack", extratags=tags), picture) <= 3


@pytest.mark.parametrize("photometric", ["cielab", "icclab"])
@pytest.mark.parametrize("bits", [8, 16])
def test_lab_of_8_and_16_bits(photometric: str, bits: int) -> None:
    lab, step = lab_of(RGB), 1 if bits == 8 else 256
    white = {("cielab", 16): 65535, ("icclab", 16): 65280}.get((photometric, bits), 255)
    chroma = np.round(lab[..., 1:] * step)
    chroma = chroma % (256 * step) if photometric == "cielab" else chroma + 128 * step
    samples = np.concatenate([np.round(lab[..., :1] / 100 * white), chroma], axis=2)
    assert error(tiff(samples.astype("u1" if bits == 8 else "u2"), photometric=photometric), RGB) <= 3


def ycbcr_tiff(across: int, down: int, *, packed: bool, rows: int) -> bytes:
    """Subsampled YCbCr in strips, without JPEG."""
    picture = np.asarray(Image.fromarray(numbers(SMOOTH, "u1")).convert("YCbCr")).astype(float)
    strips = []
    for top in range(0, HEIGHT, rows):
        part = picture[top : top + rows]
        units = part.reshape(part.shape[0] // down, down, WIDTH // across, across, 3)
        light = units[..., 0].swapaxes(1, 2).reshape(units.shape[0], units.shape[2], across * down)
        chroma = units[..., 1:].mean(axis=(1, 3))
        data = np.concatenate([light, chroma], axis=-1).round().astype(np.uint8).tobytes()
        strips.append(zlib.compress(data) if packed else data)
    tail = 8 + 2 + 12 * 11 + 4
    offsets = np.cumsum([tail + 6 + 8 * len(strips), *map(len, strips)])[:-1]
    tags = [(256, 4, 1, WIDTH), (257, 4, 1, HEIGHT), (258, 3, 3, tail), (259, 3, 1, 8 if packed else 1), (262, 3, 1, 6)]
    tags += [(277, 3, 1, 3), (278, 4, 1, rows), (284, 3, 1, 1), (530, 3, 2, across | down << 16)]
    if len(strips) == 1:
        tags += [(273, 4, 1, int(offsets[0])), (279, 4, 1, len(strips[0]))]
    else:
        tags += [(273, 4, len(strips), tail + 6), (279, 4, len(strips), tail + 6 + 4 * len(strips))]
    places = struct.pack(f"<3H{2 * len(strips)}I", 8, 8, 8, *offsets, *map(len, strips))
    return tiff_of(tags, places + b"".join(strips))


SMOOTH = np.stack([RGB[..., 0], RGB[..., 1], GREY], axis=-1)


@pytest.mark.parametrize(("across", "down"), [(1, 1), (2, 1), (2, 2), (1, 2), (4, 1), (4, 4)])
def test_ycbcr_with_subsampling_is_put_together(across: int, down: int) -> None:
    for packed in (False, True):
        for rows in (HEIGHT, 16):
            assert error(ycbcr_tiff(across, down, packed=packed, rows=rows), SMOOTH) <= 3, (packed, rows)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_tiff_is_turned_upright(orientation: int) -> None:
    from imgsearch.media.orientation import orient_array

    undo = {6: 8, 8: 6}.get(orientation, orientation)
    stored = np.ascontiguousarray(orient_array(numbers(RGB, "f4"), undo))
    data = tiff(stored, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    assert error(data, RGB) <= 2
    facts = decode_bytes(data, 8).facts
    assert (facts.width, facts.height, facts.orientation) == (WIDTH, HEIGHT, orientation)


def test_what_needs_imagecodecs_says_so() -> None:
    pytest.importorskip("imagecodecs")
    files = {name: tiff(numbers(RGB, "u2"), photometric="rgb", compression=name) for name in ("jpeg2000", "zstd")}
    files["lzw"] = tiff(numbers(RGB, "f4"), photometric="rgb", compression="lzw")
    code = (
        "import sys, pickle; sys.modules['imagecodecs'] = None\n"
        "from imgsearch.media.decode import decode_bytes\n"
        "from imgsearch.errors import MediaError\n"
        "for name, data in pickle.load(sys.stdin.buffer).items():\n"
        "    try: decode_bytes(data, 8)\n"
        "    except MediaError as error: print(name, error.transient, error.message)\n"
        "    else: print(name, 'read')\n"
    )
    run = [sys.executable, "-c", code]
    lines = subprocess.run(run, input=pickle.dumps(files), capture_output=True, check=True).stdout.decode().splitlines()
    assert len(lines) == 3
    for line in lines:
        assert line.endswith(" read") or "True not supported: a TIFF picture of" in line
        assert line.endswith(" read") or "imgsearch[formats]" in line


XMP_6 = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
def test_orientation_that_only_xmp_tells_turns_a_tiff(kind: str) -> None:
    stored = np.ascontiguousarray(np.rot90(numbers(RGB, kind)))  # a quarter to the left
    data = tiff(stored, photometric="rgb", extratags=[(700, "B", len(XMP_6), XMP_6, True)])
    assert error(data, RGB) <= 1
    facts = decode_bytes(data, 8).facts
    assert (facts.width, facts.height, facts.orientation) == (WIDTH, HEIGHT, 6)


def test_complex_numbers_are_not_supported() -> None:
    with pytest.raises(MediaError, match="not supported"):
        decode_bytes(tiff((GREY + 1j * GREY).astype("c8"), photometric="minisblack"), 8)


def test_planes_of_16_bits_are_shown_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "deep.tif"
    path.write_bytes(tiff(planes(numbers(RGB, "u2"), "separate"), photometric="rgb", planarconfig="separate"))
    shown = np.asarray(open_upright(path, 64)).astype(int)
    assert np.abs(shown - np.round(RGB * 255)).max() <= 1


def test_logarithmic_light_of_sgi_is_read() -> None:
    pytest.importorskip("imagecodecs")
    light = np.round(256 * (np.log2(GREY**2) + 64)).astype(np.uint16)  # LogL16; libtiff shows its square root
    packed = bytearray()
    for row in light:
        for half in (row >> 8, row & 255):
            packed += b"".join(bytes([len(part), *part]) for part in (half[:50].tolist(), half[50:].tolist()))
    tags = [(256, 3, 1, WIDTH), (257, 3, 1, HEIGHT), (258, 3, 1, 16), (259, 3, 1, 34676), (262, 3, 1, 32844)]
    tags += [(273, 4, 1, 8 + 2 + 12 * 10 + 4), (277, 3, 1, 1), (278, 3, 1, HEIGHT), (279, 4, 1, len(packed))]
    tags += [(339, 3, 1, 2)]
    assert error(tiff_of(tags, bytes(packed)), GREY) <= 2
