import hashlib
import io
import math
import os
from pathlib import Path

import numpy as np
import pytest
from odd_files import encode, in_mode, p3_profile, photo, png_chunk, png_claiming, tiff_of, with_exif
from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.media.decode import DecodedImage, KnownContent, decode_bytes, decode_file, open_upright
from imgsearch.media.limits import MIB, DecodeLimits, TooMuchMemory

SIDE = 32


def expected(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)).astype(int)


def difference(data: bytes, reference: np.ndarray) -> float:
    return float(np.abs(decode_bytes(data, SIDE).pixels.astype(int) - reference).mean())


def test_pixels_have_the_models_shape() -> None:
    decoded = decode_bytes(encode(photo(), "PNG"), SIDE)
    assert decoded.pixels.shape == (SIDE, SIDE, 3)
    assert decoded.pixels.dtype == np.uint8
    assert (decoded.facts.width, decoded.facts.height, decoded.facts.format) == (96, 64, "PNG")


def test_lossless_picture_is_exactly_pillows_bicubic() -> None:
    assert difference(encode(photo(), "PNG"), expected(photo())) == 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_upright(orientation: int) -> None:
    decoded = decode_bytes(with_exif(orientation), SIDE)
    assert np.abs(decoded.pixels.astype(int) - expected(photo())).mean() < 4
    assert (decoded.facts.width, decoded.facts.height) == (96, 64)
    assert decoded.facts.orientation == orientation


def test_orientation_is_honoured_in_other_formats() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = photo().transpose(Image.Transpose.ROTATE_90)
    for kind in ("PNG", "WEBP", "TIFF", "AVIF"):
        options = {"lossless": True} if kind == "WEBP" else {}
        decoded = decode_bytes(encode(stored, kind, exif=exif, **options), SIDE)
        assert np.abs(decoded.pixels.astype(int) - expected(photo())).mean() < 5, kind
        assert (decoded.facts.width, decoded.facts.height) == (96, 64), kind
        assert decoded.facts.orientation == 6, kind


@pytest.mark.skipif("IMGSEARCH_SHARED" not in os.environ, reason="needs the shared EXIF samples")
@pytest.mark.parametrize("name", ["Landscape", "Portrait"])
def test_rotated_samples_are_alike(name: str) -> None:
    folder = Path(os.environ["IMGSEARCH_SHARED"]) / "exif"
    decoded = [decode_file(folder / f"{name}_{number}.jpg", 112) for number in range(9)]
    for each in decoded[1:]:
        assert np.abs(each.pixels.astype(int) - decoded[0].pixels).mean() < 1.5
        assert each.facts.perceptual_hash == decoded[0].facts.perceptual_hash


def test_transparency_is_put_on_white() -> None:
    clear = photo().convert("RGBA")
    alpha = Image.linear_gradient("L").resize(clear.size)
    clear.putalpha(alpha)
    share = np.asarray(alpha)[..., None] / 255
    seen = Image.fromarray((np.asarray(photo()) * share + 255 * (1 - share) + 0.5).astype(np.uint8))
    for kind in ("PNG", "TIFF"):
        assert difference(encode(clear, kind), expected(seen)) < 1
    grey = clear.convert("LA")
    reference = np.asarray(photo().convert("L"))[..., None] * share + 255 * (1 - share) + 0.5
    assert difference(encode(grey, "PNG"), expected(Image.fromarray(reference[..., 0].astype(np.uint8)))) < 1


def test_palette_with_a_clear_colour_is_put_on_white() -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.paste(0, (0, 0, 8, 4))
    for kind in ("PNG", "GIF"):
        pixels = decode_bytes(encode(image, kind, transparency=0), 8).pixels
        assert pixels[0, 0].tolist() == [255, 255, 255]
        assert pixels[7, 0].tolist() == [255, 0, 0]


def p3_to_srgb(values: tuple[float, ...]) -> list[float]:
    """Display P3 to sRGB by the published matrices (CSS Color 4), in floats."""
    linear = np.array([((v + 0.055) / 1.055) ** 2.4 if v > 0.04045 else v / 12.92 for v in values])
    to_xyz = np.array([[0.486571, 0.265668, 0.198217], [0.228975, 0.691739, 0.079287], [0.0, 0.045113, 1.043944]])
    to_rgb = np.array(
        [[3.240970, -1.537383, -0.498611], [-0.969244, 1.875968, 0.041555], [0.055630, -0.203977, 1.056972]]
    )
    rgb = np.clip(to_rgb @ to_xyz @ linear, 0, 1)
    return [255 * (1.055 * v ** (1 / 2.4) - 0.055 if v > 0.0031308 else 12.92 * v) for v in rgb]


@pytest.mark.parametrize("colour", [(200, 80, 60), (60, 170, 90), (40, 60, 200), (128, 128, 128), (255, 255, 255)])
def test_display_p3_is_taken_to_srgb(colour: tuple[int, int, int]) -> None:
    data = encode(Image.new("RGB", (20, 20), colour), "PNG", icc_profile=p3_profile())
    pixel = decode_bytes(data, 8).pixels[4, 4]
    assert np.abs(pixel - np.array(p3_to_srgb(tuple(v / 255 for v in colour)))).max() <= 2


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_profile_for_colours_is_used_for_grey_too(mode: str) -> None:
    """Pillow leaves it on a picture that was made grey. This one says that 128 is half of the light."""
    profile, table = bytearray(p3_profile()), b"curv\0\0\0\0\0\0\4\0"
    assert profile.count(table) == 3
    at = -1
    while (at := profile.find(table, at + 1)) >= 0:
        profile[at + 12 : at + 12 + 2048] = np.linspace(0, 65535, 1024).round().astype(">u2").tobytes()
    data = encode(Image.new("RGB", (20, 20), (128, 128, 128)).convert(mode), "PNG", icc_profile=bytes(profile))
    assert abs(decode_bytes(data, 8).pixels[4, 4].astype(int) - 188).max() <= 2


@pytest.mark.parametrize("profile", [b"rubbish" * 30, p3_profile()[:200], b"\0" * 128])
def test_broken_profile_is_left_aside(profile: bytes) -> None:
    assert difference(encode(photo(), "PNG", icc_profile=profile), expected(photo())) == 0


def test_cmyk_jpeg_is_not_inverted() -> None:
    assert difference(encode(photo().convert("CMYK"), "JPEG", quality=95), expected(photo())) < 6


@pytest.mark.parametrize(
    ("mode", "kind"), [("I;16", "PNG"), ("I;16", "TIFF"), ("I", "TIFF"), ("F", "TIFF"), ("L", "PNG")]
)
def test_deep_grey_is_scaled_to_8_bits(mode: str, kind: str) -> None:
    assert difference(encode(in_mode(photo(), mode), kind), expected(photo().convert("L"))) <= 1


def test_float_picture_without_a_range_is_stretched() -> None:
    ramp = np.linspace(-3000, 9000, 64 * 64).reshape(64, 64)
    pixels = decode_bytes(encode(Image.fromarray(ramp.astype(np.float32)), "TIFF"), 64).pixels
    assert (pixels.min(), pixels.max()) == (0, 255)


def test_first_frame_is_the_picture() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "green", "blue")]
    for kind in ("GIF", "WEBP", "PNG", "TIFF", "AVIF"):
        pixel = decode_bytes(encode(frames[0], kind, save_all=True, append_images=frames[1:]), 8).pixels[4, 4]
        assert pixel[0] > 240, kind
        assert pixel[1:].max() < 15, kind


def test_large_pictures_converted_in_bands_equal_small_ones() -> None:
    big = photo(1699, 1333).convert("RGBA")
    reference = expected(photo(1699, 1333))
    assert difference(encode(big, "PNG", compress_level=1), reference) < 0.6
    assert difference(encode(photo(1699, 1333), "BMP"), reference) < 0.6


def test_draft_stays_within_half_a_level_of_the_full_decode() -> None:
    data = encode(photo(2400, 1800), "JPEG", quality=90)
    assert difference(data, expected(Image.open(io.BytesIO(data)))) < 0.5


def test_heic_is_read() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    out = io.BytesIO()
    pillow_heif.from_pillow(photo()).save(out, format="HEIF", quality=95)
    decoded = decode_bytes(out.getvalue(), SIDE)
    assert np.abs(decoded.pixels.astype(int) - expected(photo())).mean() < 4
    assert decoded.facts.format == "HEIF"


def dng_with_preview() -> bytes:
    """A DNG of 64 x 48 sensor samples (uncompressed CFA) whose first directory is a JPEG preview."""
    preview = encode(photo(256, 192), "JPEG", quality=95)
    width, height, first = 64, 48, 8 + 2 + 12 * 14 + 4
    second = first + 200
    at_preview = second + 2 + 12 * 14 + 4 + 100
    at_raw = at_preview + len(preview)
    one = [(254, 4, 1, 1), (256, 4, 1, 256), (257, 4, 1, 192), (258, 3, 1, 8), (259, 3, 1, 7), (262, 3, 1, 6)]
    one += [(273, 4, 1, at_preview), (274, 3, 1, 1), (277, 3, 1, 3), (278, 4, 1, 192), (279, 4, 1, len(preview))]
    one += [(330, 4, 1, second), (0xC612, 1, 4, 0x0401), (0xC614, 2, 4, int.from_bytes(b"abc\0", "little"))]
    two = [(254, 4, 1, 0), (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 32803)]
    two += [(273, 4, 1, at_raw), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, width * height * 2)]
    two += [(0x828D, 3, 2, 2 | 2 << 16), (0x828E, 1, 4, 0x02010100)]
    head = tiff_of(one)
    body = tiff_of(two)[8:]
    samples = np.random.default_rng(2).integers(0, 65535, width * height, dtype=np.uint16).tobytes()
    return head.ljust(second, b"\0") + body.ljust(at_preview - second, b"\0") + preview + samples


def test_raw_is_read_by_its_preview() -> None:
    pytest.importorskip("rawpy")
    decoded = decode_bytes(dng_with_preview(), SIDE, name="x.dng")
    assert np.abs(decoded.pixels.astype(int) - expected(photo(256, 192))).mean() < 4
    assert (decoded.facts.width, decoded.facts.height, decoded.facts.format) == (64, 48, "DNG")


def test_raw_without_rawpy_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rawpy", None)
    with pytest.raises(MediaError, match=r"imgsearch\[raw\]") as caught:
        decode_bytes(dng_with_preview(), SIDE, name="x.dng")
    assert caught.value.transient


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello, I am a letter\n" * 9, "text file"),
        (b"<html><body>404</body></html>", "web page"),
        (b"<svg xmlns='x'/>", "SVG"),
        (b"8BPS\0\1" + bytes(50), "Photoshop"),
        (bytes(900), "zero bytes"),
        (encode(photo(), "JPEG")[:900], "cut off"),
        (encode(photo(), "PNG")[:900], "cut off"),
        (encode(photo(), "WEBP")[:300], "cut off"),
        (png_claiming(65535, 65535), "65535 x 65535 pixels"),
        (png_claiming(2, 2, png_chunk(b"zTXt", b"a\0\0" + __import__("zlib").compress(bytes(30_000_000)))), "inflates"),
    ],
)
def test_reasons_are_true_and_plain(data: bytes, words: str) -> None:
    with pytest.raises(MediaError, match=words) as caught:
        decode_bytes(data, SIDE)
    assert not caught.value.transient


def test_limit_counts_a_jpeg_after_draft() -> None:
    tight = DecodeLimits(memory_bytes=1 * MIB)
    big = photo(2000, 1500)
    assert decode_bytes(encode(big, "JPEG"), SIDE, limits=tight).facts.width == 2000
    for data in (encode(big, "PNG", compress_level=1), encode(big, "JPEG", progressive=True)):
        with pytest.raises(TooMuchMemory) as caught:
            decode_bytes(data, SIDE, limits=tight)
        assert caught.value.needed_bytes > 1 * MIB


def test_jpeg_of_absurd_size_with_no_data_is_refused_at_once() -> None:
    data = bytearray(encode(photo(), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = b"\xff\xdc\xff\xdc"
    with pytest.raises(MediaError, match="cannot hold 65500 x 65500 pixels"):
        decode_bytes(bytes(data), SIDE)


def test_file_gives_hash_and_time_and_same_pixels(tmp_path: Path) -> None:
    data = encode(photo(), "JPEG")
    (tmp_path / "a.jpg").write_bytes(data)
    decoded = decode_file(tmp_path / "a.jpg", SIDE)
    assert isinstance(decoded, DecodedImage)
    assert decoded.facts.content_hash == hashlib.sha256(data).hexdigest()
    assert decoded.facts.size_bytes == len(data)
    assert decoded.mtime_ns == (tmp_path / "a.jpg").stat().st_mtime_ns
    assert np.array_equal(decoded.pixels, decode_bytes(data, SIDE).pixels)


def test_large_file_is_hashed_in_pieces(tmp_path: Path) -> None:
    data = encode(photo(), "JPEG") + bytes(33 * MIB)
    (tmp_path / "a.jpg").write_bytes(data)
    decoded = decode_file(tmp_path / "a.jpg", SIDE)
    assert isinstance(decoded, DecodedImage)
    assert decoded.facts.content_hash == hashlib.sha256(data).hexdigest()


def test_known_content_is_not_decoded(tmp_path: Path) -> None:
    data = encode(photo(), "JPEG")[:800]  # it could not be
    (tmp_path / "a.jpg").write_bytes(data)
    known = decode_file(tmp_path / "a.jpg", SIDE, known_hashes={hashlib.sha256(data).hexdigest()})
    assert isinstance(known, KnownContent)
    assert known.size_bytes == 800


def test_places_that_are_no_files_fail_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    for path in (tmp_path / "pipe.jpg", tmp_path, tmp_path / "gone.jpg", tmp_path / "loop.jpg", "/dev/zero"):
        with pytest.raises(MediaError) as caught:
            decode_file(path, SIDE)
        assert caught.value.stage == "read"


def test_open_upright_keeps_the_aspect(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(with_exif(6, 900, 300))
    image = open_upright(tmp_path / "a.jpg", 300)
    assert (image.mode, image.size) == ("RGB", (300, 100))
    assert open_upright(tmp_path / "a.jpg", 5000).size == (900, 300)
    small = np.asarray(photo(900, 300).resize((300, 100), Image.Resampling.BICUBIC)).astype(int)
    assert math.isclose(np.abs(np.asarray(image) - small).mean(), 0, abs_tol=3)
