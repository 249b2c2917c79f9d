"""A grey and a coloured picture as floats, and the pixels that a viewer shows of them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from imgsearch.media.decode import decode_bytes

WIDTH, HEIGHT, SIDE = 64, 48, 32
_Y, _X = np.mgrid[0:HEIGHT, 0:WIDTH]
GREY = 0.1 + 0.9 * (_X + _Y) / (WIDTH + HEIGHT - 2)  # [H, W] from 0 to 1
RGB = np.stack([_X / (WIDTH - 1), _Y / (HEIGHT - 1), (_X < WIDTH / 2) * 0.8 + 0.1], axis=-1)  # [H, W, 3]
ALPHA = np.broadcast_to(_X / (WIDTH - 1), (HEIGHT, WIDTH))[..., None]
UPPER = _Y < HEIGHT // 2


def on_white(colour: np.ndarray) -> np.ndarray:
    return colour * ALPHA + 1 - ALPHA


def numbers(picture: np.ndarray, kind: str, top: float = 0) -> np.ndarray:
    """The picture in samples of a type, up to ``top`` (its largest, 1 for floats)."""
    dtype = np.dtype(kind)
    if dtype.kind == "f":
        return (picture * (top or 1)).astype(dtype)
    return (picture * (top or np.iinfo(dtype).max) + 0.5).astype(dtype)


def shown(picture: np.ndarray) -> np.ndarray:
    """What the decoder is to give of it."""
    colour = np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture
    image = Image.fromarray((np.clip(colour, 0, 1) * 255 + 0.5).astype(np.uint8))
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)).astype(int)


def error(data: bytes, picture: np.ndarray, name: str = "") -> float:
    """Mean difference, of 255."""
    return float(np.abs(decode_bytes(data, SIDE, name=name).pixels.astype(int) - shown(picture)).mean())


GREY_IMAGE, RGB_IMAGE = Image.fromarray(numbers(GREY, "u1")), Image.fromarray(numbers(RGB, "u1"))

OVER = {"RGBA": on_white(RGB), "LA": on_white(GREY[..., None])[..., 0]}

CHANNELS = {
    "grey": (GREY[..., None], GREY),
    "colour": (RGB, RGB),
    "grey and alpha": (np.concatenate([GREY[..., None], ALPHA], axis=2), OVER["LA"]),
    "colour and alpha": (np.concatenate([RGB, ALPHA], axis=2), OVER["RGBA"]),
}
