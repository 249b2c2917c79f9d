"""X11 bitmaps. Their set bits are ink, black on white in every viewer. Pillow 13 shows them white on black, and refuses
bitmaps whose numbers begin on the line of their name."""

from __future__ import annotations

import re

import numpy as np

from imgsearch.errors import MediaError
from imgsearch.media.colour.rows import ArrayRows
from imgsearch.media.colour.small import DeepImage
from imgsearch.media.formats.other_readers import read_all
from imgsearch.media.limits import check_bytes
from imgsearch.media.wanted import DecodeRequest

_SIZE = re.compile(rb"#define\s+\w*?(width|height)\s+(\d{1,6})")
_NUMBER = re.compile(rb"0[xX][0-9A-Fa-f]{1,4}|\d{1,5}")
_COMMENT = re.compile(rb"/\*.*?\*/", re.DOTALL)
_NUMBER_BYTES = 100  # of Python's, for each number of at least two letters


def read_xbm(wanted: DecodeRequest) -> DeepImage:
    """The bitmap, of X11 (bytes) or X10 (16 bits a number). Raises MediaError."""
    check_bytes((0, 0), _NUMBER_BYTES // 2 * wanted.size_bytes, wanted.limits)
    head, _, body = _COMMENT.sub(b"", read_all(wanted)).partition(b"{")
    sizes = {name: int(number) for name, number in _SIZE.findall(head)}
    width, height = sizes.get(b"width", 0), sizes.get(b"height", 0)
    if not (width and height and body):
        raise MediaError("the file begins like an XBM picture, but its header is damaged", stage="open")
    unit = 2 if b"short" in head else 1
    row = -(-width // (8 * unit)) * unit
    check_bytes((width, height), 12 * 8 * row * height, wanted.limits)
    numbers = [int(number, 16 if number[:2] in (b"0x", b"0X") else 10) for number in _NUMBER.findall(body)]
    packed = np.array(numbers, "<u2").astype(f"<u{unit}").view(np.uint8)
    if packed.size < row * height:
        held = f"{packed.size} bytes of bits cannot hold {width} x {height} pixels"
        raise MediaError(f"an XBM picture that is cut off: {held}", stage="decode")
    bits = np.unpackbits(packed[: row * height].reshape(height, row), axis=1, bitorder="little")
    return DeepImage(ArrayRows(bits[:, :width, None], colours=1), (0.0, 1.0), inverted=True)
