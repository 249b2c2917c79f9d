"""PNG of every depth, its colour keys and damaged parts."""

import struct
import zlib

import numpy as np
import pytest
from known_pictures import CHANNELS, GREY, RGB, RGB_IMAGE, UPPER, error, numbers
from odd_files import encode, p3_profile, png_chunk

from imgsearch.errors import MediaError
from imgsearch.media.decode import decode_bytes


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
