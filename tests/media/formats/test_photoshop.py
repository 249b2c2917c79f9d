"""Photoshop documents at every depth, compressed in every way, with and without transparency."""

import struct
import zlib

import numpy as np
import pytest
from known_pictures import CHANNELS, GREY, HEIGHT, RGB, RGB_IMAGE, UPPER, WIDTH, error, numbers
from lab import lab_of

from imgsearch.errors import MediaError
from imgsearch.media.decode import decode_bytes


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


@pytest.mark.parametrize("bare", [True, False])
def test_transparency_of_a_document_counts_where_the_colours_are_bare(bare: bool) -> None:
    clear = (UPPER[..., None] * 1.0).astype(float)
    colours = RGB if bare else np.where(UPPER[..., None], RGB, 1.0)
    samples = numbers(np.concatenate([colours, clear], axis=2), "u1")
    data = psd(samples, 3, large=False, compression=0)
    empty = 26 + 4 + 4
    data = data[:empty] + struct.pack(">IIhH", 8, 4, -1, 0) + data[empty + 4 :]
    assert error(data, np.where(UPPER[..., None], RGB, 1.0)) <= 2
