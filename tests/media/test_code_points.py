"""Colours told by code points: the right values from the published formulas and matrices, written out here."""

import io
import struct
import zlib

import numpy as np
import pillow_heif
import pytest
from odd_files import encode, png_chunk
from PIL import Image

from imgsearch.media.colour.code_points import CodePoints, to_srgb_samples
from imgsearch.media.containers.heif.av1 import sequence_codes
from imgsearch.media.decode import decode_bytes

P3_TO_SRGB = np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]])  # CSS Color 4
BT2020_TO_SRGB = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
COLOURS = [(0.8, 0.3, 0.25), (0.25, 0.7, 0.35), (0.15, 0.25, 0.8), (0.5, 0.5, 0.5), (1.0, 1.0, 1.0), (0.05, 0.05, 0.05)]


def srgb_signal(light: np.ndarray) -> np.ndarray:
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def srgb_light(signal: np.ndarray) -> np.ndarray:
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def pq_signal(nits: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084, the inverse EOTF."""
    y = (nits / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * y) / (1 + 2392 / 128 * y)) ** (2523 / 32)


def hlg_signal(display: np.ndarray) -> np.ndarray:
    """BT.2100: display light (cd/m2 of 1,000) -> scene light by the inverse OOTF -> signal."""
    luminance = (display / 1000) @ np.array([0.2627, 0.6780, 0.0593])
    scene = display / 1000 * (luminance ** (1 / 1.2 - 1))[..., None]
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


def bt709_signal(light: np.ndarray) -> np.ndarray:
    return np.where(light < 0.018, 4.5 * light, 1.099 * light**0.45 - 0.099)


def expected(light: np.ndarray, to_srgb: np.ndarray) -> np.ndarray:
    return 255 * srgb_signal(light @ to_srgb.T)


def flat(signal: np.ndarray, top: int, kind: type = np.uint8, side: int = 16) -> np.ndarray:
    return np.broadcast_to((signal * top + 0.5).astype(kind), (side, side, 3)).copy()


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
def test_png_of_video_levels_runs_from_16_to_235(deep: bool, alpha: bool) -> None:
    """BT.709-6, 3.5: black at 16 and white at 235 of 255, times 256 at 16 bits; transparency uses its full range."""
    signal = np.array([0.0, 0.25, 0.5, 1.0])
    levels = (16 + 219 * signal) * (256 if deep else 1)
    samples = np.repeat(np.round(levels)[None, :, None], 3, axis=2).repeat(4, axis=0)
    if alpha:
        samples = np.concatenate([samples, np.full((4, 4, 1), 65535 if deep else 255)], axis=2)
    rows = b"".join(b"\0" + row.astype(">u2" if deep else "u1").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", 4, 4, 16 if deep else 8, 6 if alpha else 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"cICP", bytes((1, 13, 0, 0))), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)
    assert decode_bytes(data, 4).pixels[1, :, 0] == pytest.approx(255 * signal, abs=1.5)


def pixel(data: bytes, name: str = "") -> np.ndarray:
    return decode_bytes(data, 8, name=name).pixels[4, 4].astype(float)


def png16(samples: np.ndarray, cicp: bytes, *more: bytes) -> bytes:
    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
    chunks = header + png_chunk(b"cICP", cicp) + b"".join(more)
    return b"\x89PNG\r\n\x1a\n" + chunks + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")


def with_chunks(image: Image.Image, *chunks: bytes) -> bytes:
    data = encode(image, "PNG")
    return data[:33] + b"".join(chunks) + data[33:]


def heic(samples: np.ndarray, primaries: int, transfer: int, bits: int = 8) -> bytes:
    mode = "RGB" if samples.dtype == np.uint8 else "RGB;16"
    size = samples.shape[1], samples.shape[0]
    file = pillow_heif.from_bytes(mode=mode, size=size, data=samples.tobytes())
    out = io.BytesIO()
    codes = {"color_primaries": primaries, "transfer_characteristics": transfer, "matrix_coefficients": 6}
    file.save(out, quality=100, chroma=444, bit_depth=bits, full_range_flag=1, **codes)
    return out.getvalue()


@pytest.mark.parametrize("colour", COLOURS)
def test_display_p3_without_a_profile_is_taken_to_srgb(colour: tuple[float, ...]) -> None:
    signal = np.array(colour)
    wanted = expected(srgb_light(signal), P3_TO_SRGB)
    image = Image.fromarray(flat(signal, 255))
    files = {
        "png": with_chunks(image, png_chunk(b"cICP", bytes([12, 13, 0, 1]))),
        "heic": heic(flat(signal, 255), 12, 13),
    }
    for name, data in files.items():
        assert np.abs(pixel(data) - wanted).max() <= 3, name


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize(("transfer", "curve"), [(1, bt709_signal), (13, srgb_signal), (14, bt709_signal)])
def test_bt2020_of_ordinary_range_is_taken_to_srgb(colour: tuple[float, ...], transfer: int, curve: object) -> None:
    light = np.array(colour) ** 2
    signal = curve(light)  # type: ignore[operator]
    wanted = expected(light, BT2020_TO_SRGB)
    data = with_chunks(Image.fromarray(flat(signal, 255)), png_chunk(b"cICP", bytes([9, transfer, 0, 1])))
    assert np.abs(pixel(data) - wanted).max() <= 3


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize(("transfer", "encoded"), [(16, pq_signal), (18, hlg_signal)])
def test_high_dynamic_range_has_203_nits_as_white(colour: tuple[float, ...], transfer: int, encoded: object) -> None:
    light = np.array(colour) ** 2  # 1.0 is the reference white
    signal = encoded(203 * light)  # type: ignore[operator]
    wanted = expected(light, BT2020_TO_SRGB)
    deep = flat(signal, 65535, np.uint16)
    files = {"png": (png16(deep, bytes([9, transfer, 0, 1])), 1.5), "heic": (heic(deep, 9, transfer, 10), 3.0)}
    for name, (data, most) in files.items():
        assert np.abs(pixel(data) - wanted).max() <= most, name


def test_pq_avif_is_read_at_full_depth_with_imagecodecs() -> None:
    codecs = pytest.importorskip("imagecodecs")
    for colour in COLOURS:
        light = np.array(colour) ** 2
        samples = flat(pq_signal(203 * light), 1023, np.uint16)
        data = codecs.avif_encode(samples, level=100, bitspersample=10, primaries=9, transfer=16, matrix=9)
        assert np.abs(pixel(data) - expected(light, BT2020_TO_SRGB)).max() <= 3, colour


def test_pq_avif_of_8_bits_is_near_enough_without_imagecodecs(monkeypatch: pytest.MonkeyPatch) -> None:
    codecs = pytest.importorskip("imagecodecs")
    light = np.array((0.5, 0.4, 0.3)) ** 2
    data = codecs.avif_encode(
        flat(pq_signal(203 * light), 1023, np.uint16), level=100, bitspersample=10, primaries=9, transfer=16, matrix=9
    )
    monkeypatch.setitem(__import__("sys").modules, "imagecodecs", None)
    assert np.abs(pixel(data) - expected(light, BT2020_TO_SRGB)).max() <= 6


def test_brighter_than_white_keeps_its_hue() -> None:
    light = np.array((4.0, 2.0, 0.4))
    seen = to_srgb_samples(pq_signal(203 * light)[None, None], CodePoints(1, 16))[0, 0]
    assert np.abs(seen - 255 * srgb_signal(light / 4)).max() <= 1


def test_avif_sequence_header_tells_where_the_container_does_not() -> None:
    codecs = pytest.importorskip("imagecodecs")
    signal = np.array((0.8, 0.3, 0.25))
    data = codecs.avif_encode(flat(signal, 255), level=100, bitspersample=8, primaries=12, transfer=13, matrix=6)
    assert data.count(b"colrnclx") == 1
    silent = data.replace(b"colrnclx", b"freenclx")
    wanted = expected(srgb_light(signal), P3_TO_SRGB)
    assert np.abs(pixel(data) - wanted).max() <= 4
    assert np.abs(pixel(silent) - wanted).max() <= 4
    at = silent.index(b"av1C")
    assert sequence_codes(silent[at + 8 : at + 40]) in ((12, 13), None)


def test_png_prefers_code_points_to_profile_to_srgb_to_gamma() -> None:
    image = Image.fromarray(flat(np.array((0.5, 0.5, 0.5)), 255))
    gamma = png_chunk(b"gAMA", struct.pack(">I", 100_000))
    plain = png_chunk(b"sRGB", b"\0")
    assert pixel(with_chunks(image, gamma))[0] == pytest.approx(188, abs=1)  # linear light
    assert pixel(with_chunks(image, plain, gamma))[0] == pytest.approx(128, abs=1)
    pq = png_chunk(b"cICP", bytes([1, 16, 0, 1]))
    light = 93.0 / 203  # PQ at 128 of 255 is about 93 cd/m2
    assert pixel(with_chunks(image, pq, plain, gamma))[0] == pytest.approx(255 * srgb_signal(np.array(light)), abs=5)


def test_png_chromaticities_are_honoured() -> None:
    signal = np.array((0.8, 0.3, 0.25))
    p3 = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
    chunk = png_chunk(b"cHRM", struct.pack(">8I", *(round(each * 100_000) for each in p3)))
    gamma = png_chunk(b"gAMA", struct.pack(">I", 45_455))
    data = with_chunks(Image.fromarray(flat(signal, 255)), gamma, chunk)
    assert np.abs(pixel(data) - expected(srgb_light(signal), P3_TO_SRGB)).max() <= 3


@pytest.mark.parametrize("codes", [(1, 13), (2, 2), (1, 2), (2, 13)])
def test_srgb_by_code_points_changes_nothing(codes: tuple[int, int]) -> None:
    image = Image.fromarray(flat(np.array((0.8, 0.3, 0.25)), 255))
    data = with_chunks(image, png_chunk(b"cICP", bytes([*codes, 0, 1])))
    assert pixel(data).tolist() == np.asarray(image)[0, 0].tolist()
