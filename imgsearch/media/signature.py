"""An image in 1,536 bytes: enough to tell a copy from a look-alike without reading the file again.

The signature holds lightness (the 32 x 32 grey pixels that the pHash uses) and colour (16 x 16). Two images can be laid
over each other, in any orientation, to find their largest local difference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgsearch.media.fingerprint import GREY_SIDE, hash_bits, low_frequencies, small_grey
from imgsearch.records import SIGNATURE_BYTES, SIGNATURE_RECIPE, UInt8

RECIPE = SIGNATURE_RECIPE
COLOUR_SIDE = 16

ORIENTATIONS = (1, 2, 3, 4, 5, 6, 7, 8)
"""The eight ways to turn and mirror an image, numbered as in EXIF: how a viewer turns a file of that orientation (2
mirrored, 3 half turn, 4 upside down, 5 transposed, 6 a quarter clockwise, 7 transverse, 8 a quarter anticlockwise)."""

INVERSE_ORIENTATION = (0, 1, 2, 3, 4, 5, 8, 7, 6)
"""``INVERSE_ORIENTATION[o]`` undoes orientation ``o``. Place 0 is not used."""

FLAT_DEVIATION = 2.0
"""Standard deviation of lightness (0..255) below which an image shows nothing. Measured on photographs whose contrast
was reduced, which were then halved and saved at quality 60: at this deviation their pHash changes by 6 bits (median; 10
for one in ten), at a quarter of it by 16, at twice it by 2. Noise on one colour has 0.1 to 0.8; the flattest of 83
photographs has 23."""

_HASH_BLOCK = 4096  # images hashed at a time: 34 MB of float64


def image_signature(image: Image.Image) -> bytes:
    """The signature of an upright image: lightness uint8 [32, 32], then Cb and Cr uint8 [16, 16] each (JPEG's, full
    range), row by row. 1 ms for half a megapixel."""
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    small = rgb.resize((COLOUR_SIDE, COLOUR_SIDE), Image.Resampling.BOX).convert("YCbCr")
    return small_grey(image).tobytes() + small.getchannel("Cb").tobytes() + small.getchannel("Cr").tobytes()


def luma_of(signatures: UInt8) -> UInt8:
    """The lightness of signatures uint8 [n, 1536]: uint8 [n, 32, 32], a view."""
    _check(signatures)
    return signatures[:, : GREY_SIDE * GREY_SIDE].reshape(-1, GREY_SIDE, GREY_SIDE)


def chroma_of(signatures: UInt8) -> UInt8:
    """The colour of signatures uint8 [n, 1536]: uint8 [n, 2, 16, 16], Cb then Cr; 128 is grey. A view."""
    _check(signatures)
    return signatures[:, GREY_SIDE * GREY_SIDE :].reshape(-1, 2, COLOUR_SIDE, COLOUR_SIDE)


def oriented(planes: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Planes [..., h, w] turned as a viewer turns a file of EXIF ``orientation``; a view. Raises ValueError for an
    orientation outside 1..8."""
    if orientation not in ORIENTATIONS:
        raise ValueError(f"orientation is {orientation}, expected an EXIF orientation, 1 to 8")
    if orientation >= 5:
        planes = np.swapaxes(planes, -1, -2)
    down = orientation in (3, 4, 7, 8)
    across = orientation in (2, 3, 6, 7)
    return planes[..., :: -1 if down else 1, :: -1 if across else 1]


def oriented_hashes(luma: UInt8) -> NDArray[np.uint64]:
    """The pHash of each image in each orientation, from lightness uint8 [n, 32, 32]: uint64 [n, 8]. Column ``o - 1``
    belongs to orientation ``o``, so column 0 is the pHash itself.

    Mirroring negates the odd frequencies of a DCT, and transposing transposes it. Both are exact where the pixels are
    turned exactly, so all eight cost one transform: 25 us an image.
    """
    found = np.empty((len(luma), len(ORIENTATIONS)), np.uint64)
    for at in range(0, len(luma), _HASH_BLOCK):
        low = low_frequencies(luma[at : at + _HASH_BLOCK])  # [n, 8, 8]
        for orientation in ORIENTATIONS:
            bits = hash_bits(_oriented_frequencies(low, orientation))
            packed = np.packbits(bits, axis=1)  # uint8 [n, 8]; the highest bit belongs to the mean
            found[at : at + _HASH_BLOCK, orientation - 1] = packed.view(">u8")[:, 0]
    return found


def is_flat(luma: UInt8) -> NDArray[np.bool_]:
    """bool [n]: whether an image shows almost nothing (black, one colour, an empty page), from lightness uint8 [n, 32,
    32]. The pHash of such an image is rounding noise."""
    flat = luma.reshape(len(luma), -1)
    sums = flat.sum(axis=1, dtype=np.int64)
    squares = (flat.astype(np.uint16) ** 2).sum(axis=1, dtype=np.int64)  # at most 255 ** 2 each
    pixels = flat.shape[1]
    return np.asarray(pixels * squares - sums * sums < (FLAT_DEVIATION * pixels) ** 2)


def _oriented_frequencies(low: NDArray[np.float64], orientation: int) -> NDArray[np.float64]:
    if orientation >= 5:
        low = np.swapaxes(low, 1, 2)
    signs = np.where(np.arange(low.shape[1]) % 2, -1.0, 1.0)
    if orientation in (3, 4, 7, 8):
        low = low * signs[:, None]
    if orientation in (2, 3, 6, 7):
        low = low * signs
    return np.ascontiguousarray(low)


def _check(signatures: UInt8) -> None:
    if signatures.ndim != 2 or signatures.shape[1] != SIGNATURE_BYTES or signatures.dtype != np.uint8:
        expected = f"uint8 [n, {SIGNATURE_BYTES}]"
        raise ValueError(f"got signatures {signatures.dtype} {list(signatures.shape)}, expected {expected}")
