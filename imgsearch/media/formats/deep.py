"""Reads 16-bit samples that Pillow reduces to 8: the decoder runs twice, for the high bytes and for the low ones.

Pillow unpacks "RGB;16B" and "RGB;16L" by taking the first or the second byte of each sample. The same decoder thus
gives both halves, including filters, interlacing and compression.
"""

from __future__ import annotations

import re
import sys
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile

from imgsearch.media.colour.rows import Array
from imgsearch.media.containers.plain import Pnm

_RAW_MODE = re.compile(r"(RGB|RGBA|RGBa|RGBX|CMYK);16([BLN])")
_OTHER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


def take_high_bytes(image: ImageFile.ImageFile) -> bool:
    """Prepare an opened, unloaded image of 16-bit RGB, RGBA or CMYK, so that loading gives the high bytes of its
    samples. Returns False if its samples are stored otherwise and cannot be read at full depth."""
    return _ask(image, swapped=False)


def take_low_bytes(image: ImageFile.ImageFile) -> bool:
    """`take_high_bytes` for the low bytes."""
    return _ask(image, swapped=True)


def take_both_bytes(image: ImageFile.ImageFile) -> bool:
    """Prepare a PNG of 16-bit grey and alpha, so that loading gives the four bytes of a pixel as the bands of RGBA."""
    tile = image.tile[0]
    if image.mode != "RGBA" or tile.args != "LA;16B":
        return False
    image.tile = [tile._replace(args="RGBA")]
    return True


def _ask(image: ImageFile.ImageFile, *, swapped: bool) -> bool:
    tiles = []
    for tile in image.tile:
        raw_mode = tile.args[0] if isinstance(tile.args, tuple) else tile.args
        match = _RAW_MODE.fullmatch(str(raw_mode))
        if match is None:
            return False
        # Premultiplied colours stay as stored: high and low bytes could not be joined after a division by alpha.
        mode, order = match[1].replace("RGBa", "RGBA"), _OTHER[match[2]] if swapped else match[2]
        wanted = f"{mode};16{order}"
        tiles.append(tile._replace(args=(wanted, *tile.args[1:]) if isinstance(tile.args, tuple) else wanted))
    image.tile = tiles
    return bool(tiles)


def is_premultiplied(image: ImageFile.ImageFile) -> bool:
    """Whether the colours of a 16-bit image are stored multiplied by their alpha."""
    return any("RGBa;16" in str(tile.args) for tile in image.tile)


def read_pnm(stream: BinaryIO, layout: Pnm) -> Array:
    """A binary PGM or PPM of more than 8 bits as uint16 [H, W, C], scaled to 65535. Raises EOFError if it is
    truncated."""
    channels = 3 if layout.kind == 6 else 1
    stream.seek(layout.data)
    data = stream.read(layout.end - layout.data)
    if len(data) < layout.end - layout.data:
        raise EOFError(f"{len(data)} bytes instead of {layout.end - layout.data}")
    samples = np.frombuffer(data, ">u2").reshape(layout.height, layout.width, channels)
    if layout.highest == 65535:
        return np.asarray(samples, np.uint16)
    scaled = np.minimum(samples, layout.highest).astype(np.float32) * (65535 / layout.highest) + 0.5
    return np.asarray(scaled, np.uint16)


def grey_of(image: Image.Image) -> Array:
    """uint16 [H, W] from Pillow's 32-bit grey of a PGM, which Pillow scales to 65535."""
    return np.asarray(np.clip(np.asarray(image), 0, 65535), np.uint16)
