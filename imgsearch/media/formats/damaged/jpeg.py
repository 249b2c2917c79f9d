"""A JPEG without its last bytes, or with its height behind its data. Cameras and transfers drop the end marker or the
last few blocks, and every viewer shows the image. Pillow 13 refuses it as if half of it were missing. Scanners that do
not know the length of a sheet write its height last (DNL, ITU-T T.81, B.2.5), which libjpeg does not read."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import numpy as np
from PIL import Image, ImageChops

from imgsearch.errors import MediaError
from imgsearch.media.formats.other_readers import read_all
from imgsearch.media.limits import JpegLayout, check_memory
from imgsearch.media.opening import decoding, open_image
from imgsearch.media.wanted import DecodeRequest

_END, _SCAN = b"\xff\xd9", b"\xff\xda"
_LINES = b"\xff\xdc\x00\x04"  # the marker of the height, and its length
_FRAME = re.compile(rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf]\x00.(?:[\x08\x0c])(?=\x00\x00)", re.DOTALL)
_NOTHING = 128  # the sample that libjpeg writes into missing blocks
_LEFT_OUT = 64  # bytes dropped at least, to see how far down the last scan reaches
_REACHED = 0.9  # share of the height that the last scan must reach
_LAST_ROWS = 8  # rows in a block


def mended_jpeg(wanted: DecodeRequest, layout: JpegLayout) -> DecodeRequest:
    """The same image with an end marker, if less than half of its lowest row of blocks is missing, or, in a progressive
    one, if the last scan reaches nine tenths down. Decodes it at full size. Raises MediaError if more is missing."""
    data = read_all(wanted)
    mended = _ended(wanted, data)
    if layout.coefficient_bytes and not _is_in_last_scans(data, layout):
        raise _cut_off(wanted)
    image = _decoded(mended, layout)
    width, height = image.size
    corner = np.asarray(image.crop((width // 2, max(0, height - _LAST_ROWS), width, height)))
    if image.mode not in ("L", "RGB") or (corner == _NOTHING).all():
        raise _cut_off(wanted)
    if layout.coefficient_bytes:
        shorter = data[: len(data) - max(_LEFT_OUT, (len(data) - data.rfind(_SCAN)) // 64)]
        changed = ImageChops.difference(image, _decoded(_ended(wanted, shorter), layout)).getbbox()
        if changed is None or changed[3] < _REACHED * height:  # the last scan ends too early
            raise _cut_off(wanted)
    return mended


def with_height(wanted: DecodeRequest) -> DecodeRequest:
    """The same image with its height in its frame header. Raises MediaError if the file does not give it."""
    data = read_all(wanted)
    frame = next((found for found in _FRAME.finditer(data) if data.find(_SCAN, found.end()) > 0), None)
    at = data.find(_LINES, data.find(_SCAN, frame.end())) if frame else -1
    lines = data[at + 4 : at + 6] if at > 0 else b""
    if frame is None or len(lines) < 2 or lines == b"\0\0":
        raise MediaError("a JPEG picture whose header gives no height", stage="open")
    mended = data[: frame.end()] + lines + data[frame.end() + 2 :]
    return replace(wanted, stream=io.BytesIO(mended))


def _ended(wanted: DecodeRequest, data: bytes) -> DecodeRequest:
    return replace(wanted, stream=io.BytesIO(data + _END), size_bytes=len(data) + len(_END))


def _decoded(wanted: DecodeRequest, layout: JpegLayout) -> Image.Image:
    with open_image(wanted.stream, wanted.kind, wanted.size_bytes, wanted.limits) as image:
        extra = layout.coefficient_bytes + 8 * image.size[0] * image.size[1]  # a second copy is decoded for comparison
        check_memory(
            "JPEG", image.mode, image.size, size_bytes=wanted.size_bytes, extra_bytes=extra, limits=wanted.limits
        )
        with decoding(wanted.kind):
            image.load()
        return image


def _is_in_last_scans(data: bytes, layout: JpegLayout) -> bool:
    """Whether the file ends within the scan that refines the last bit of a progressive image."""
    at = data.rfind(_SCAN)
    count = data[at + 4] if 0 < at < len(data) - 12 else 0
    if layout.marker & 3 != 2 or not 0 < count <= 4:
        return False
    first, _, precision = data[at + 5 + 2 * count : at + 8 + 2 * count]
    return first > 0 and precision & 15 == 0


def _cut_off(wanted: DecodeRequest) -> MediaError:
    return MediaError(
        f"{wanted.kind.description} that is cut off: the file ends before the picture does", stage="decode"
    )
