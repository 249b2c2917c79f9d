"""Formats beyond the common ones, at every depth they have; and what a file is, told by its first bytes."""

import struct
import zlib
from typing import Any

import numpy as np
import pytest
from known_pictures import ALPHA, GREY, HEIGHT, RGB, UPPER, WIDTH, error, numbers, on_white
from lab import lab_of
from odd_files import encode, p3_profile, png_chunk
from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.media.decode import decode_bytes
from imgsearch.media.sniff import IMAGE_EXTENSIONS, LOOK_INSIDE_EXTENSIONS, begins_like_an_image, sniff

GREY_IMAGE, RGB_IMAGE = Image.fromarray(numbers(GREY, "u1")), Image.fromarray(numbers(RGB, "u1"))
RGBA_IMAGE = Image.fromarray(numbers(np.concatenate([RGB, ALPHA], axis=2), "u1"))
LA_IMAGE = Image.fromarray(numbers(np.concatenate([GREY[..., None], ALPHA], axis=2), "u1"), "LA")
OVER = {"RGBA": on_white(RGB), "LA": on_white(GREY[..., None])[..., 0]}
CHANNELS = {
    "grey": (GREY[..., None], GREY),
    "colour": (RGB, RGB),
    "grey and alpha": (np.concatenate([GREY[..., None], ALPHA], axis=2), OVER["LA"]),
    "colour and alpha": (np.concatenate([RGB, ALPHA], axis=2), OVER["RGBA"]),
}


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
        ("XBM", "x.xbm", "1"),
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


def pack_bits(row: bytes) -> bytes:
    return b"".join(bytes([len(row[at : at + 128]) - 1]) + row[at : at + 128] for at in range(0, len(row), 128))


def psd(
    samples: np.ndarray, mode: int, *, large: bool, compression: int, resources: bytes = b"", more: bytes = b""
) -> bytes:
    """A document of one merged picture, by the specification."""
    kind = {1: ">u1", 2: ">u2", 4: ">f4"}[samples.dtype.itemsize]
    height, width, channels = samples.shape
    rows = [row.astype(kind).tobytes() for at in range(channels) for row in samples[..., at]]
    if compression == 1:
        packed = [pack_bits(row) for row in rows]
        body = struct.pack(f">{len(packed)}{'I' if large else 'H'}", *map(len, packed)) + b"".join(packed)
    elif compression == 3:
        steps = [np.diff(row, prepend=row.dtype.type(0)) for at in range(channels) for row in samples[..., at]]
        body = zlib.compress(b"".join(row.astype(kind).tobytes() for row in steps))
    else:
        body = b"".join(rows) if compression == 0 else zlib.compress(b"".join(rows))
    head = b"8BPS" + struct.pack(
        ">H6xHIIHH", 2 if large else 1, channels, height, width, 8 * samples.dtype.itemsize, mode
    )
    blocks = struct.pack(">I", len(more)) + more + struct.pack(">I", len(resources)) + resources
    return head + blocks + bytes(8 if large else 4) + struct.pack(">H", compression) + body


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("compression", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
def test_photoshop_documents_show_their_merged_picture(large: bool, compression: int, kind: str) -> None:
    if compression == 3 and kind == "f4":
        return
    ink = np.concatenate([RGB, np.ones((HEIGHT, WIDTH, 1))], axis=2)  # what is left of the paper
    for mode, samples, wanted in (
        (3, RGB, RGB),
        (1, GREY[..., None], GREY),
        (4, ink, RGB),
        (3, CHANNELS["colour and alpha"][0], RGB),
    ):
        data = psd(numbers(samples, kind), mode, large=large, compression=compression)
        assert error(data, wanted, "x.psb") <= 2, mode
        with pytest.raises(MediaError, match=r"cut off|damaged"):
            decode_bytes(data[: len(data) // 2], 8)


def test_photoshop_palettes_and_lab() -> None:
    image = RGB_IMAGE.quantize(64)
    palette = np.zeros((256, 3), np.uint8)
    colours = np.array(image.getpalette()).reshape(-1, 3)
    palette[: len(colours)] = colours
    data = psd(np.asarray(image)[..., None], 2, large=False, compression=1, more=palette.T.tobytes())
    assert error(data, np.asarray(image.convert("RGB")) / 255) <= 1
    lab = lab_of(RGB)
    for step, kind, top in ((1, "u1", 255), (256, "u2", 65535)):
        samples = np.concatenate([np.round(lab[..., :1] / 100 * top), np.round((lab[..., 1:] + 128) * step)], axis=2)
        assert error(psd(samples.astype(kind), 9, large=False, compression=1), RGB) <= 3


def test_photoshop_document_without_a_merged_picture_says_so() -> None:
    version = b"8BIM" + struct.pack(">HHI", 1057, 0, 6) + struct.pack(">IBB", 1, 0, 0)
    data = psd(numbers(RGB, "u1"), 3, large=False, compression=0, resources=version)
    with pytest.raises(MediaError, match=r"not supported.*maximize compatibility"):
        decode_bytes(data, 8)


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


def png(samples: np.ndarray, colour: int, depth: int, *chunks: bytes) -> bytes:
    height, width = samples.shape[:2]
    flat = samples.reshape(height, -1)
    rows = [row.astype(">u2").tobytes() if depth == 16 else _packed(row, depth) for row in flat]
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)) + b"".join(chunks)
    body = png_chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + head + body + png_chunk(b"IEND", b"")


def _packed(row: np.ndarray, depth: int) -> bytes:
    bits = np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, -depth:]
    return np.packbits(bits.ravel()).tobytes()


def test_png_of_16_bits_with_and_without_alpha() -> None:
    for colour, name in ((0, "grey"), (2, "colour"), (4, "grey and alpha"), (6, "colour and alpha")):
        samples, wanted = CHANNELS[name]
        assert error(png(numbers(samples, "u2"), colour, 16), wanted) <= 1, name


def test_png_colour_keys_are_compared_at_full_depth() -> None:
    grey, colour, key = numbers(GREY, "u2"), numbers(RGB, "u2"), np.array((300, 20000, 65000))
    grey[UPPER], colour[UPPER] = 12345, key
    clear = png_chunk(b"tRNS", struct.pack(">H", 12345))
    assert error(png(grey, 0, 16, clear), np.where(UPPER, 1, GREY)) <= 2
    clear = png_chunk(b"tRNS", struct.pack(">3H", *key))
    assert error(png(colour, 2, 16, clear), np.where(UPPER[..., None], 1, RGB)) <= 2
    colour[UPPER] = (*key[:1] + 1, *key[1:])
    assert error(png(colour, 2, 16, clear), np.where(UPPER[..., None], key / 65535, RGB)) <= 2


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_png_of_few_bits_with_a_transparent_grey(depth: int) -> None:
    top = (1 << depth) - 1
    samples = np.round(GREY * top).astype(np.uint8)
    key = int(samples[20, 20])
    wanted = np.where(samples == key, 1, samples / top)
    assert error(png(samples, 0, depth), samples / top) <= 1
    assert error(png(samples, 0, depth, png_chunk(b"tRNS", struct.pack(">H", key))), wanted) <= 1


def test_extensions_are_read_or_looked_into_never_both() -> None:
    assert not IMAGE_EXTENSIONS & LOOK_INSIDE_EXTENSIONS
    wanted = "hif jfif jpe pjpeg avifs apng psd psb tga dds jp2 j2k jpx jpf icns pam pfm jxl"
    assert {"." + name for name in wanted.split()} <= IMAGE_EXTENSIONS
    assert ".svg" in LOOK_INSIDE_EXTENSIONS


def test_only_pictures_begin_like_pictures() -> None:
    assert begins_like_an_image(encode(RGB_IMAGE, "JPEG")[:64], "x.svg")
    for data in (
        b"<svg xmlns='x'/>",
        b"BMW is a maker of cars",
        b"P1 is what I said",
        b"",
        b"\0" * 64,
        b"MZ" + bytes(62),
    ):
        assert not begins_like_an_image(data[:64], "x.txt")


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x18ftypmif3avif", "AVIF"),
        (b"\0\0\0\x18ftypmif3heic", "HEIF"),
        (b"\0\0\0\x18ftypavci\0\0\0\0mif1avci", "HEIF"),
        (b"\0\0\0\x18ftypj2ki\0\0\0\0mif1miaf", "HEIF"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", ""),
        (b"8BPS\0\2", "PSD"),
        (b"8BPS\0\7", ""),
        (b"II\xbc\x01", "JXR"),
    ],
)
def test_kinds_are_told_by_their_first_bytes(head: bytes, kind: str) -> None:
    assert sniff(head.ljust(64, b"\0")).format == kind


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


def test_every_kind_that_is_told_has_a_reader() -> None:
    from imgsearch.media.opening import register_format
    from imgsearch.media.sniff import _PREFIXES

    own = {"RAW", "PSD", "PAM", "JXL", "JXR"}
    for kind in {kind.format for _, kind in _PREFIXES if kind.format} | {
        "TGA",
        "DIB",
        "PCX",
        "PCD",
        "CUR",
        "XBM",
        "HEIF",
    }:
        if kind not in own:
            register_format(kind)


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


def test_dcx_shows_its_first_page() -> None:
    page = encode(RGB_IMAGE, "PCX")
    data = struct.pack("<IIII", 0x3ADE68B1, 16, 16 + len(page), 0) + page + encode(GREY_IMAGE, "PCX")
    assert error(data, RGB, "x.dcx") <= 1


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"\x8aMNG\r\n\x1a\n", "an MNG animation"),
        (b"XPDS", "a DPX picture"),
        (b"FORM\0\0\0\x20ILBMBMHD", "an Amiga picture"),
        (b"#?RGBE\n", "a Radiance HDR picture"),
        (b"gimp xcf v011", "a GIMP document"),
        (b"v/1\x01\2\0\0\0", "an OpenEXR picture"),
    ],
)
def test_format_that_is_not_read_is_named_and_not_called_damaged(head: bytes, words: str) -> None:
    with pytest.raises(MediaError, match=f"{words}.*not supported"):
        decode_bytes(head.ljust(200, b"\0"), 8)


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


@pytest.mark.parametrize("bare", [True, False])
def test_transparency_of_a_document_counts_where_the_colours_are_bare(bare: bool) -> None:
    clear = (UPPER[..., None] * 1.0).astype(float)
    colours = RGB if bare else np.where(UPPER[..., None], RGB, 1.0)
    samples = numbers(np.concatenate([colours, clear], axis=2), "u1")
    data = psd(samples, 3, large=False, compression=0)
    empty = 26 + 4 + 4
    data = data[:empty] + struct.pack(">IIhH", 8, 4, -1, 0) + data[empty + 4 :]
    assert error(data, np.where(UPPER[..., None], RGB, 1.0)) <= 2


def test_icon_arrays_of_os2_are_named() -> None:
    with pytest.raises(MediaError, match="OS/2, which is not supported"):
        decode_bytes(b"BA" + struct.pack("<IIHH", 40, 0, 0, 0) + b"CI" + bytes(60), 8, name="x.ico")


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


@pytest.mark.parametrize("chunk", [png_chunk(b"zTXt", b"Comment\0\x84rubbish"), b"\0\0\0\4tIME1234nope"])
def test_png_with_a_damaged_text_or_time_is_read(chunk: bytes) -> None:
    data = encode(RGB_IMAGE, "PNG")
    whole = data[:33] + chunk + data[33:]
    assert error(whole, RGB) <= 1
    assert error(whole[:-12], RGB) <= 1  # the end is missing
    with pytest.raises(MediaError):
        decode_bytes(whole[: len(whole) // 2], 8)


def test_damaged_colours_of_a_png_are_left_aside_and_sound_ones_kept() -> None:
    data = encode(RGB_IMAGE, "PNG", icc_profile=p3_profile())
    broken = data[:33] + b"\0\0\0\4gAMA\0\0\0\1nope" + data[33:]
    wanted = decode_bytes(data, 32).pixels.astype(int)
    assert np.abs(decode_bytes(broken, 32).pixels - wanted).max() <= 1


def test_noise_from_an_empty_profile_is_not_shown() -> None:
    profile = bytearray(p3_profile())
    for name in (b"rXYZ", b"gXYZ", b"bXYZ"):
        at = int.from_bytes(profile[profile.index(name) + 4 :][:4], "big")
        profile[at + 8 : at + 20] = bytes(12)
    assert error(encode(RGB_IMAGE, "PNG", icc_profile=bytes(profile)), RGB) <= 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG2000"])
def test_macos_icon_is_refused_by_the_size_inside(kind: str) -> None:
    """Pillow goes by the entry's name, which says 128 pixels, and takes what the entry's own header asks for."""
    inner = encode(Image.new("RGB", (128, 128)), kind)
    size = (128).to_bytes(4, "big")
    huge = inner.replace(2 * size, 2 * (60_000).to_bytes(4, "big"))
    assert huge != inner
    icon = b"icns" + (16 + len(huge)).to_bytes(4, "big") + b"ic07" + (8 + len(huge)).to_bytes(4, "big") + huge
    with pytest.raises(MediaError, match="60000 x 60000 pixels: decoding it needs"):
        decode_bytes(icon, 32)
