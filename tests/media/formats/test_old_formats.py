"""Formats of old programs and instruments: pointers, brushes, PCX, TGA, FLI, FITS, BLP."""

import struct

import numpy as np
import pytest
from known_pictures import ALPHA, GREY, GREY_IMAGE, HEIGHT, RGB, RGB_IMAGE, WIDTH, error, numbers, on_white
from odd_files import encode
from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.media.decode import decode_bytes


@pytest.mark.parametrize("form", ["png", "bmp"])
def test_mouse_pointers_are_read(form: str) -> None:
    image = RGB_IMAGE.resize((32, 32))
    data = bytearray(encode(image, "ICO", sizes=[(32, 32)], bitmap_format=form))
    data[2] = 2
    decoded = decode_bytes(bytes(data), 32, name="x.cur")
    assert np.abs(decoded.pixels.astype(int) - np.asarray(image)).max() <= 1
    assert decoded.facts.format == "CUR"


@pytest.mark.parametrize(
    ("kind", "name", "modes"), [("IM", "x.im", "L RGB P"), ("MSP", "x.msp", "1"), ("BLP", "x.blp", "P")]
)
def test_formats_of_old_programs_are_read(kind: str, name: str, modes: str) -> None:
    for mode in modes.split():
        image = {"1": GREY_IMAGE.convert("1"), "L": GREY_IMAGE, "P": RGB_IMAGE.quantize(64)}.get(mode, RGB_IMAGE)
        assert error(encode(image, kind), np.asarray(image.convert("RGB")) / 255, name) <= 2, mode


@pytest.mark.parametrize(
    "form", ["{name}char x_bits[] = {{\n{bytes}}};\n", "/* 12 */{name}char x_bits[] = {{{bytes}}};"]
)
def test_ink_of_an_x11_bitmap_is_black(form: str) -> None:
    """X(7): a set bit is the foreground; rows begin at whole bytes, the least bit is the leftmost."""
    ink = np.asarray(GREY_IMAGE.crop((0, 0, 13, 11)).convert("1"))
    packed = np.packbits(ink, axis=1, bitorder="little").ravel()
    text = form.format(name="#define x_width 13\n#define x_height 11\nstatic ", bytes=", ".join(map(hex, packed)))
    assert error(text.encode(), 1.0 - ink, "x.xbm") <= 1
    with pytest.raises(MediaError, match="cut off"):
        decode_bytes(text.replace("height 11", "height 40").encode(), 8)


def test_dcx_shows_its_first_page() -> None:
    page = encode(RGB_IMAGE, "PCX")
    data = struct.pack("<IIII", 0x3ADE68B1, 16, 16 + len(page), 0) + page + encode(GREY_IMAGE, "PCX")
    assert error(data, RGB, "x.dcx") <= 1


def test_canvas_around_the_first_frame_of_a_gif_is_empty() -> None:
    """GIF89a, 20: the frame's place on the canvas; browsers leave out the background colour."""
    data = bytearray(encode(Image.new("P", (8, 8), 0), "GIF"))
    data[6:10] = struct.pack("<HH", 16, 16)
    at = data.index(b",", 13)
    data[at + 1 : at + 5] = struct.pack("<HH", 4, 4)
    pixels = decode_bytes(bytes(data), 16).pixels
    assert pixels[8, 8].tolist() == [0, 0, 0]
    assert {tuple(pixels[at].tolist()) for at in ((1, 1), (1, 14), (14, 1), (14, 14))} == {(255, 255, 255)}


@pytest.mark.parametrize(
    ("bits", "alpha", "expected"),
    [(0, 0, 90), (0, 128, 90), (8, 0, 90), (8, 255, 90), (8, 128, 172)],  # 90 * 128/255 + 255 * 127/255
)
def test_alpha_of_a_tga_counts_if_it_is_named_and_was_written(bits: int, alpha: int, expected: int) -> None:
    head = bytes([0, 0, 2]) + bytes(9) + struct.pack("<HHBB", 8, 8, 32, 0x20 | bits)
    pixels = decode_bytes(head + bytes([90, 90, 90, alpha]) * 64, 8, name="x.tga").pixels
    assert pixels[4, 4].tolist() == pytest.approx([expected] * 3, abs=1)


def test_gimp_brush_of_colours_is_read() -> None:
    pixels = np.concatenate([RGB, ALPHA], axis=2)
    head = struct.pack(">5I4sI", 33, 2, WIDTH, HEIGHT, 4, b"GIMP", 10) + b"name\0"
    assert error(head + numbers(pixels, "u1").tobytes(), on_white(RGB), "x.gbr") <= 1


def test_first_frame_of_an_fli_animation_is_read() -> None:
    grey = numbers(GREY, "u1")
    palette = struct.pack("<HHBB", 4, 1, 0, 0) + b"".join(bytes((each,) * 3) for each in range(256))
    chunks = struct.pack("<I", 4 + len(palette)) + palette + struct.pack("<IH", 6 + grey.size, 16) + grey.tobytes()
    frame = struct.pack("<IHH8x", 16 + len(chunks), 0xF1FA, 2) + chunks
    head = struct.pack("<IHHHHHHI", 128 + len(frame), 0xAF12, 1, WIDTH, HEIGHT, 8, 3, 70).ljust(80, b"\0")
    assert error(head + struct.pack("<II", 128, 0).ljust(48, b"\0") + frame, GREY, "x.flc") <= 1


def fits(samples: np.ndarray) -> bytes:
    bits = {1: 8, 2: 16, 4: -32}[samples.dtype.itemsize]
    cards = [("SIMPLE", "T"), ("BITPIX", bits), ("NAXIS", 2), ("NAXIS1", WIDTH), ("NAXIS2", HEIGHT)]
    text = "".join(f"{name:8}= {value!s:>20}".ljust(80) for name, value in cards) + "END".ljust(80)
    data = samples[::-1].tobytes()
    return text.encode().ljust(2880) + data.ljust(-(-len(data) // 2880) * 2880, b"\0")


@pytest.mark.parametrize("kind", ["u1", ">u2", ">f4"])
def test_fits_is_upright_and_stretched_past_its_brightest_stars(kind: str) -> None:
    samples = numbers(GREY, kind, 255 if kind == "u1" else 900)
    wanted = GREY
    if kind != "u1":
        samples[5, 5] = 60_000
        low, high = np.percentile(GREY, (0.5, 99.5))
        wanted = np.clip((GREY - low) / (high - low), 0, 1)
        wanted[5, 5] = 1
    assert error(fits(samples), wanted, "x.fits") <= 3


def test_jpeg_in_a_blp_is_checked_by_its_own_size() -> None:
    jpeg = encode(Image.new("RGB", (8, 8)), "JPEG").replace(struct.pack(">HH", 8, 8), struct.pack(">HH", 65000, 65000))
    head = b"BLP1" + struct.pack("<IIIIII", 0, 0, 8, 8, 5, 0) + struct.pack("<I15xB", 160, 0).ljust(64, b"\0")
    data = head + struct.pack("<I", len(jpeg)).ljust(64, b"\0") + struct.pack("<I", 0) + jpeg
    with pytest.raises(MediaError, match="65000 x 65000"):
        decode_bytes(data, 8, name="x.blp")


def pcx(indices: np.ndarray, bits: int, planes: int, palette: bytes, version: int = 5) -> bytes:
    """uint8 [H, W] in so many planes, run lengths of one; by the manual."""
    lines = []
    for row in indices:
        for plane in range(planes):
            samples = row >> (bits * plane) & ((1 << bits) - 1)
            each = np.unpackbits(samples[:, None].astype(np.uint8), axis=1)[:, 8 - bits :]
            lines.append(np.packbits(each.ravel()).tobytes())
    stride = len(lines[0])
    body = b"".join(b"\xc1" + bytes([byte]) if byte >= 192 else bytes([byte]) for line in lines for byte in line)
    head = struct.pack("<BBBBHHHHHH", 10, version, 1, bits, 0, 0, WIDTH - 1, HEIGHT - 1, 72, 72)
    head += palette.ljust(48, b"\0")[:48] + bytes([0, planes]) + struct.pack("<H", stride)
    return head.ljust(128, b"\0") + body


@pytest.mark.parametrize(("bits", "planes"), [(1, 2), (1, 3), (1, 4), (2, 1), (2, 2), (4, 1)])
def test_pcx_of_any_planes_is_read(bits: int, planes: int) -> None:
    colours = min(16, 1 << bits * planes)
    palette = bytes(range(255, 255 - 3 * colours * 5, -5))[: 3 * colours]
    indices = np.round(GREY * (colours - 1)).astype(np.uint8)
    wanted = np.frombuffer(palette, np.uint8).reshape(-1, 3)[indices] / 255
    assert error(pcx(indices, bits, planes, palette), wanted, "x.pcx") <= 1


@pytest.mark.parametrize(
    ("version", "palette", "colours"),
    [
        (5, bytes((0x13, 0x13, 0x13, 164, 255, 103)), [(0, 0, 170), (85, 255, 85), (255, 85, 85), (255, 255, 85)]),
        (5, bytes((0x30, 0, 0, 240, 0, 0)), [(0, 170, 170), (0, 170, 170), (170, 0, 170), (170, 170, 170)]),
        (2, bytes((0x60, 0, 0, 0x20)), [(170, 85, 0), (85, 255, 85), (255, 85, 85), (255, 255, 85)]),
    ],
)
def test_pcx_in_the_colours_of_cga_is_read(version: int, palette: bytes, colours: list[tuple[int, ...]]) -> None:
    indices = np.round(GREY * 3).astype(np.uint8)
    assert error(pcx(indices, 2, 1, palette, version), np.array(colours)[indices] / 255, "x.pcx") <= 1
