"""BMP as viewers show it where Pillow does not; compared with the numbers that the file was written from."""

import struct

import numpy as np
import pytest
from known_pictures import GREY, RGB, error, numbers
from odd_files import encode
from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.media.decode import decode_bytes

HEIGHT, WIDTH = GREY.shape


def bmp(
    bits: int,
    compression: int,
    rows: np.ndarray | bytes,
    *,
    masks: tuple[int, ...] = (),
    palette: bytes = b"",
    header: int = 40,
    colours: int = 0,
    upside: bool = True,
) -> bytes:
    """A file by the book: uint8 [H, stride] from the top, masks behind a header of 40 bytes or inside a longer one."""
    body = rows if isinstance(rows, bytes) else (rows[::-1] if upside else rows).tobytes()
    info = struct.pack(
        "<iiHHIIiiII", WIDTH, HEIGHT if upside else -HEIGHT, 1, bits, compression, len(body), 0, 0, colours, 0
    )
    more = struct.pack(f"<{len(masks)}I", *masks)
    info = struct.pack("<I", header) + (info + more if header > 40 else info).ljust(header - 4, b"\0")[: header - 4]
    more = more if header == 40 else b""
    start = 14 + header + len(more) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + info + more + palette + body


def packed(samples: np.ndarray, masks: tuple[int, ...], bits: int) -> np.ndarray:
    """Samples [H, W, C] from 0 to 1 under the masks, as padded rows."""
    pixels = np.zeros(samples.shape[:2], np.uint64)
    for at, mask in enumerate(masks):
        low = (mask & -mask).bit_length() - 1
        pixels |= np.round(samples[..., at] * (mask >> low)).astype(np.uint64) << np.uint64(low)
    rows = np.ascontiguousarray(pixels.astype(f"<u{bits // 8}")).view(np.uint8)
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))


@pytest.mark.parametrize(
    ("bits", "masks", "header", "compression"),
    [
        (32, (0xFF00, 0xFF0000, 0xFF000000), 40, 3),
        (32, (0x3FF, 0xFFC00, 0x3FF00000), 40, 3),
        (32, (0x7FF, 0x3FF800, 0xFFC00000), 52, 3),
        (32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000), 40, 6),
        (32, (0x1FE0000, 0xFF00, 0x7F, 0xFC000000), 108, 3),
        (16, (0xF00, 0xF0, 0xF, 0xF000), 56, 3),
        (16, (0x3, 0x1C, 0x20), 40, 3),
        (16, (0x7C00, 0x3E0, 0x1F, 0x8000), 124, 3),
    ],
)
def test_bit_fields_of_any_mask_are_read(bits: int, masks: tuple[int, ...], header: int, compression: int) -> None:
    cover = np.ones((HEIGHT, WIDTH, 1))
    cover[: HEIGHT // 2] = 0
    samples = np.concatenate([RGB, cover], axis=2)[..., : len(masks)]
    wanted = np.empty_like(RGB)
    for at in range(3):
        top = masks[at] >> ((masks[at] & -masks[at]).bit_length() - 1)
        wanted[..., at] = np.round(RGB[..., at] * top) / top
    if len(masks) == 4:
        wanted[: HEIGHT // 2] = 1
    for upside in (True, False):
        data = bmp(bits, compression, packed(samples, masks, bits), masks=masks, header=header, upside=upside)
        assert error(data, wanted, "x.bmp") <= 2


def test_transparency_that_nothing_was_written_to_is_none() -> None:
    masks = (0xF00, 0xF0, 0xF, 0xF000)
    samples = np.concatenate([RGB, np.zeros((HEIGHT, WIDTH, 1))], axis=2)
    data = bmp(16, 3, packed(samples, masks, 16), masks=masks, header=108)
    assert error(data, np.round(RGB * 15) / 15, "x.bmp") <= 2


def test_two_bits_a_pixel_are_read() -> None:
    levels = np.round(GREY * 3).astype(np.uint8)
    rows = np.pad(levels, ((0, 0), (0, -WIDTH % 16))).reshape(HEIGHT, -1, 4)
    rows = rows[..., 0] << 6 | rows[..., 1] << 4 | rows[..., 2] << 2 | rows[..., 3]
    palette = b"".join(bytes((each, each, each, 0)) for each in (0, 85, 170, 255))
    assert error(bmp(2, 0, rows, palette=palette), levels / 3, "x.bmp") <= 1


@pytest.mark.parametrize(("header", "colours", "entries"), [(16, 0, 256), (40, 300, 300), (40, 1 << 30, 256)])
def test_headers_and_palettes_that_pillow_refuses_are_read(header: int, colours: int, entries: int) -> None:
    levels = np.pad(numbers(GREY, "u1"), ((0, 0), (0, -WIDTH % 4)))
    palette = b"".join(bytes((min(each, 255),) * 3 + (0,)) for each in range(entries))
    data = bmp(8, 0, levels, palette=palette, header=header, colours=colours)
    assert error(data, GREY, "x.bmp") <= 1


@pytest.mark.parametrize(("kind", "compression"), [("JPEG", 4), ("PNG", 5)])
def test_a_jpeg_or_png_inside_is_read(kind: str, compression: int) -> None:
    image = Image.fromarray(numbers(RGB, "u1"))
    inner = encode(image, kind, **({"quality": 95} if kind == "JPEG" else {}))
    data = bmp(0, compression, inner, header=124)
    assert error(data, RGB, "x.bmp") <= 4
    assert decode_bytes(data, 8).facts.format == "BMP"


@pytest.mark.parametrize("compression", [4, 5])
def test_bmp_inside_bmp_is_refused(compression: int) -> None:
    inner = encode(Image.new("RGB", (8, 8)), "BMP")
    with pytest.raises(MediaError, match="does not"):
        decode_bytes(bmp(0, compression, inner, header=124), 8)


def test_what_is_not_read_is_named_and_what_is_cut_off_is_refused() -> None:
    rows = packed(RGB, (0xFF00, 0xFF0000, 0xFF000000), 32)
    data = bmp(32, 3, rows, masks=(0xFF00, 0xFF0000, 0xFF000000))
    with pytest.raises(MediaError, match="cut off"):
        decode_bytes(data[:-40], 8)
    with pytest.raises(MediaError, match="not supported: a BMP picture of OS/2"):
        decode_bytes(bmp(24, 4, rows, header=64), 8)
    with pytest.raises(MediaError, match="30 bits a pixel"):
        decode_bytes(bmp(30, 0, rows), 8)
