"""PCX images with planes and depths that Pillow 13 does not know: two and three planes, 2 and 4 bits a pixel, CGA.
Source: ZSoft's "PCX technical reference manual", revision 5."""

from __future__ import annotations

import numpy as np

from imgsearch.errors import MediaError
from imgsearch.media.colour.rows import Array, ArrayRows
from imgsearch.media.colour.small import DeepImage
from imgsearch.media.containers.header import read_at
from imgsearch.media.formats.other_readers import read_all
from imgsearch.media.limits import check_bytes
from imgsearch.media.wanted import DecodeRequest

_HEADER = 128
_CGA = {  # palettes of four colours, by (palette 1?, bright?); the first colour is the background
    (0, 0): ((0, 170, 0), (170, 0, 0), (170, 85, 0)),
    (0, 1): ((85, 255, 85), (255, 85, 85), (255, 255, 85)),
    (1, 0): ((0, 170, 170), (170, 0, 170), (170, 170, 170)),
    (1, 1): ((85, 255, 255), (255, 85, 255), (255, 255, 255)),
}
_EGA = [
    tuple(170 * (each >> bit & 1) + 85 * (each >> 3) - (85 if each == 6 and bit == 1 else 0) for bit in (2, 1, 0))
    for each in range(16)
]  # colour 6 is brown


def read_odd_pcx(wanted: DecodeRequest) -> DeepImage:
    """The samples. Raises MediaError."""
    head = read_at(wanted.stream, 0, _HEADER)
    if len(head) < _HEADER:
        raise MediaError("a PCX picture that is cut off: it ends within its header", stage="open")
    left, top, right, bottom = (int.from_bytes(head[at : at + 2], "little") for at in (4, 6, 8, 10))
    bits, planes, stride = head[3], head[65], int.from_bytes(head[66:68], "little")
    width, height = right - left + 1, bottom - top + 1
    if min(width, height) < 1 or bits not in (1, 2, 4, 8) or not 1 <= planes <= 4 or stride * 8 < width * bits:
        what = f"{width} x {height} pixels, {planes} planes of {bits} bits"
        raise MediaError(f"the file begins like a PCX picture, but its header is damaged ({what})", stage="open")
    count = stride * planes * height
    check_bytes((width, height), 3 * count + 16 * width * height, wanted.limits)
    data = read_all(wanted)[_HEADER:]
    rows = _unpacked(data, count) if head[2] == 1 else np.frombuffer(data[:count], np.uint8)
    if len(rows) < count:
        raise MediaError("a PCX picture that is cut off: the file ends before the picture does", stage="decode")
    rows = rows.reshape(height, planes, stride)
    if bits == 8 and (planes > 1 or data[-769:-768] != b"\x0c"):
        colours = 3 if planes >= 3 else 1
        return DeepImage(ArrayRows(np.moveaxis(rows[:, :colours, :width], 1, 2), colours=colours), (0.0, 255.0))
    if bits * planes > 8:
        raise MediaError(f"not supported: a PCX picture of {planes} planes of {bits} bits", stage="open")
    indices = _indices(rows, bits, width)
    if bits == 8:
        return DeepImage(ArrayRows(np.frombuffer(data[-768:], np.uint8).reshape(256, 3)[indices]), (0.0, 255.0))
    palette = np.array(_palette(head, bits * planes), np.uint8)
    return DeepImage(ArrayRows(palette[np.minimum(indices, len(palette) - 1)]), (0.0, 255.0))


def _unpacked(data: bytes, count: int) -> Array:
    """Undo the run lengths: a byte of 192 or more says how often the next byte is repeated."""
    source, at, out = data, 0, bytearray()
    while at < len(source) and len(out) < count:
        byte = source[at]
        if byte >= 192:
            out += source[at + 1 : at + 2] * (byte & 63)
            at += 2
        else:
            out.append(byte)
            at += 1
    return np.frombuffer(bytes(out[:count]), np.uint8)


def _indices(rows: Array, bits: int, width: int) -> Array:
    """uint8 [H, W] from uint8 [H, planes, stride]. The first plane holds the lowest bit of the colour index."""
    shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
    samples = (rows[..., None] >> shifts & ((1 << bits) - 1)).reshape(*rows.shape[:2], -1)[..., :width]
    weights = (1 << (bits * np.arange(rows.shape[1]))).astype(np.uint8)
    found: Array = (samples * weights[None, :, None]).sum(axis=1, dtype=np.uint8)
    return found


def _palette(head: bytes, depth: int) -> list[tuple[int, ...]]:
    if depth == 1:
        return [(0, 0, 0), (255, 255, 255)]
    told = [tuple(head[at : at + 3]) for at in range(16, 64, 3)]
    if depth == 2 and head[3] == 2 and not any(map(any, told[2:4])):
        return [_EGA[head[16] >> 4], *_CGA[_cga_palette(head)]]
    return told if any(map(any, told)) and head[1] != 3 else list(_EGA)


def _cga_palette(head: bytes) -> tuple[int, int]:
    """The CGA palette's number and whether it is bright. From version 5 on, green and blue of the second colour decide,
    which the manual does not mention."""
    if head[1] < 5:
        return head[19] >> 6 & 1, head[19] >> 5 & 1
    green, blue = head[20], head[21]
    return int(green <= blue), int(max(green, blue) > 200)
