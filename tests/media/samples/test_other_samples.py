"""Pictures of the newer formats compared in full: what shows the same is the same, and nothing else is."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgsearch.media.samples.digest import read_samples

imagecodecs = pytest.importorskip("imagecodecs")
pytest.importorskip("pillow_jxl")

WIDTH, HEIGHT = 37, 23


def colours(seed: int = 1, bits: int = 8, channels: int = 3) -> np.ndarray:
    kind = np.uint8 if bits == 8 else np.uint16
    found = np.random.default_rng(seed).integers(0, 1 << bits, (HEIGHT, WIDTH, channels)).astype(kind)
    if channels in (2, 4):
        found[..., -1] |= 1  # nowhere wholly clear
    return found


def by_pillow(kind: str, **options: object) -> Callable[[np.ndarray], bytes]:
    def save(samples: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(samples).save(buffer, kind, **options)
        return buffer.getvalue()

    return save


def psd(samples: np.ndarray, *, layers: bytes = b"") -> bytes:
    """A flat document of raw planes."""
    depth, channels = 8 * samples.dtype.itemsize, samples.shape[2]
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, channels, HEIGHT, WIDTH, depth, 3)
    planes = np.moveaxis(samples, -1, 0).astype(samples.dtype.newbyteorder(">")).tobytes()
    return head + bytes(8) + struct.pack(">I", len(layers)) + layers + b"\0\0" + planes


def pam(samples: np.ndarray, highest: int = 255) -> bytes:
    kind = {1: "GRAYSCALE", 2: "GRAYSCALE_ALPHA", 3: "RGB", 4: "RGB_ALPHA"}[samples.shape[2]]
    head = f"P7\nWIDTH {WIDTH}\nHEIGHT {HEIGHT}\nDEPTH {samples.shape[2]}\nMAXVAL {highest}\nTUPLTYPE {kind}\nENDHDR\n"
    return head.encode() + samples.astype(samples.dtype.newbyteorder(">")).tobytes()


def dib(samples: np.ndarray) -> bytes:
    return by_pillow("DIB")(samples)


def bmp32(samples: np.ndarray, alpha: int) -> bytes:
    """Bit fields with a transparency of one value."""
    wide = np.dstack([samples[..., ::-1], np.full((HEIGHT, WIDTH), alpha, np.uint8)])[::-1].tobytes()
    info = struct.pack("<IiiHHIIiiII", 108, WIDTH, HEIGHT, 1, 32, 3, len(wide), 0, 0, 0, 0)
    info += struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(48)
    return b"BM" + struct.pack("<IHHI", 14 + len(info) + len(wide), 0, 0, 14 + len(info)) + info + wide


def jxl(samples: np.ndarray) -> bytes:
    return bytes(imagecodecs.jpegxl_encode(samples, lossless=True))


def jxr(samples: np.ndarray) -> bytes:
    return bytes(imagecodecs.jpegxr_encode(samples, 1.0))


def digest(tmp_path: Path, name: str, data: bytes) -> bytes:
    path = tmp_path / name
    path.write_bytes(data)
    return read_samples(path).digest


ENCODERS = {
    "a.jxl": jxl,
    "a.jxr": jxr,
    "a.psd": psd,
    "a.pam": pam,
    "a.dib": dib,
    "a.bmp": lambda samples: bmp32(samples, 0),
    "b.bmp": lambda samples: bmp32(samples, 255),
    "a.pcx": by_pillow("PCX"),
    "a.tga": by_pillow("TGA"),
    "a.sgi": by_pillow("SGI"),
    "a.jp2": by_pillow("JPEG2000"),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_the_same_pixels_are_the_same_in_every_format(tmp_path: Path, name: str) -> None:
    samples, other = colours(), colours()
    other[-1, -1, 2] ^= 1
    whole = digest(tmp_path, "a.png", by_pillow("PNG")(samples))
    assert digest(tmp_path, name, ENCODERS[name](samples)) == whole
    assert digest(tmp_path, name, ENCODERS[name](other)) != whole
    assert digest(tmp_path, "a.png", by_pillow("PNG")(other)) == digest(tmp_path, name, ENCODERS[name](other))


@pytest.mark.parametrize(
    ("name", "encode"),
    [
        ("a.jxr", jxr),
        ("a.psd", psd),
        ("a.pam", lambda samples: pam(samples, 65535)),
        ("a.jp2", lambda samples: bytes(imagecodecs.jpeg2k_encode(samples, reversible=True, level=0))),
    ],
)
def test_sixteen_bits_count_to_the_last_one(tmp_path: Path, name: str, encode: Callable[[np.ndarray], bytes]) -> None:
    samples, other = colours(bits=16), colours(bits=16)
    other[3, 4, 1] ^= 1
    whole = digest(tmp_path, "a.png", bytes(imagecodecs.png_encode(samples)))
    assert digest(tmp_path, name, encode(samples)) == whole
    assert digest(tmp_path, name, encode(other)) != whole


@pytest.mark.parametrize(("name", "encode"), [("a.jxl", jxl), ("a.jxr", jxr), ("a.pam", pam)])
def test_transparency_counts_as_in_a_png(tmp_path: Path, name: str, encode: Callable[[np.ndarray], bytes]) -> None:
    samples, other = colours(channels=4), colours(channels=4)
    other[3, 4, 3] ^= 2
    whole = digest(tmp_path, "a.png", by_pillow("PNG")(samples))
    assert digest(tmp_path, name, encode(samples)) == whole
    assert digest(tmp_path, name, encode(other)) != whole


def test_a_colour_space_keeps_the_same_numbers_apart(tmp_path: Path, p3: bytes) -> None:
    samples = colours()
    plain, wide = by_pillow("PNG"), by_pillow("PNG", icc_profile=p3)
    assert digest(tmp_path, "a.png", plain(samples)) != digest(tmp_path, "b.png", wide(samples))
    deep = colours(bits=16)  # the encoder calls 16 bits linear light
    assert digest(tmp_path, "b.jxl", jxl(deep)) != digest(tmp_path, "c.png", bytes(imagecodecs.png_encode(deep)))
    assert digest(tmp_path, "b.jxl", jxl(deep)) == digest(tmp_path, "c.jxl", jxl(deep))
    deep[3, 4, 1] ^= 1
    assert digest(tmp_path, "c.jxl", jxl(deep)) != digest(tmp_path, "b.jxl", jxl(colours(bits=16)))


@pytest.fixture
def p3() -> bytes:
    from odd_files import p3_profile

    return p3_profile()


@pytest.mark.parametrize("kind", ["a.bmp", "a.png", "a.tga"])
def test_pictures_of_which_nothing_is_seen_are_not_alike(tmp_path: Path, kind: str) -> None:
    """Programs forget to write transparency; what lies under it is then all there is."""

    def clear(seed: int) -> bytes:
        samples = np.dstack([colours(seed), np.zeros((HEIGHT, WIDTH), np.uint8)])
        if kind == "a.bmp":
            return bmp32(samples[..., :3], 0)
        return by_pillow(kind[2:].upper())(samples)

    assert digest(tmp_path, kind, clear(1)) != digest(tmp_path, kind, clear(2))


def test_pictures_of_which_nothing_is_seen_and_all_is_equal_are_alike(tmp_path: Path) -> None:
    samples = np.dstack([colours(1), np.zeros((HEIGHT, WIDTH), np.uint8)])
    image = Image.fromarray(samples)
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "b.png", compress_level=0)
    image.save(tmp_path / "c.webp", lossless=True, exact=True)
    samples[3, 4, 2] ^= 1
    Image.fromarray(samples).save(tmp_path / "e.png")
    assert len({read_samples(tmp_path / name).digest for name in ("a.png", "b.png", "c.webp")}) == 1
    assert read_samples(tmp_path / "e.png").digest != read_samples(tmp_path / "a.png").digest


def test_a_document_with_layers_is_like_none_but_its_bytes(tmp_path: Path) -> None:
    samples = colours()
    layered = psd(samples, layers=bytes(40))
    assert digest(tmp_path, "a.psd", layered) != digest(tmp_path, "b.psd", psd(samples))
    assert digest(tmp_path, "c.psd", layered) == digest(tmp_path, "a.psd", layered)


def test_an_animation_is_not_its_first_frame(tmp_path: Path) -> None:
    frames = np.stack([colours(1), colours(2)])
    moving, still = bytes(imagecodecs.jpegxl_encode(frames, lossless=True)), jxl(frames[0])
    assert digest(tmp_path, "a.jxl", moving) != digest(tmp_path, "b.jxl", still)
    other = bytes(imagecodecs.jpegxl_encode(np.stack([colours(1), colours(3)]), lossless=True))
    assert digest(tmp_path, "c.jxl", other) != digest(tmp_path, "a.jxl", moving)


def test_floats_are_like_none_but_their_bytes(tmp_path: Path) -> None:
    samples = colours().astype(np.float32) / 255
    found = digest(tmp_path, "a.jxr", jxr(samples))
    assert found != digest(tmp_path, "a.png", by_pillow("PNG")(colours()))
    assert found == digest(tmp_path, "b.jxr", jxr(samples))
