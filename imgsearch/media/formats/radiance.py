"""Radiance HDR (`.hdr .rgbe .pic`) through imagecodecs: linear light in sRGB's primaries, without an agreed white."""

from __future__ import annotations

import re

import numpy as np

from imgsearch.errors import MediaError
from imgsearch.media.colour.code_points import CodePoints
from imgsearch.media.colour.rows import Array, ArrayRows
from imgsearch.media.colour.small import DeepImage
from imgsearch.media.containers.header import read_at
from imgsearch.media.formats.other_readers import imagecodecs_for, read_all
from imgsearch.media.limits import check_bytes
from imgsearch.media.opening import decoding
from imgsearch.media.orientation import orient_array
from imgsearch.media.wanted import DecodeRequest

_HEAD_BYTES = 65536
_SIZE = re.compile(rb"\n\n(?P<first>[-+][XY]) (?P<one>\d{1,6}) (?P<second>[-+][XY]) (?P<two>\d{1,6})\n")
_XYZE = re.compile(rb"^FORMAT=32-bit_rle_xyze", re.MULTILINE)
_PIXEL_BYTES = 48
"""The samples in float32, a copy with its hues kept and what is computed between."""
_ORIENTATIONS = {b"-Y+X": 1, b"-Y-X": 2, b"+Y-X": 3, b"+Y+X": 4, b"+X-Y": 5, b"-X-Y": 6, b"-X+Y": 7, b"+X+Y": 8}
_LINEAR, _BT709 = 8, 1
_DARK, _ALMOST_ALL, _LOOKED_AT = 0.1, 99.0, 1_000_000


def read_radiance(wanted: DecodeRequest) -> DeepImage:
    """The image, upright. Raises MediaError."""
    head = read_at(wanted.stream, 0, _HEAD_BYTES).replace(b"\r\n", b"\n")
    size = _SIZE.search(head)
    if size is None:
        raise MediaError("the file begins like a Radiance HDR picture, but its header is damaged", stage="open")
    if _XYZE.search(head):
        raise MediaError("not supported: a Radiance HDR picture in XYZ", stage="open")
    extent = int(size["two"]), int(size["one"])
    codecs = imagecodecs_for("a Radiance HDR picture")
    check_bytes(extent, _PIXEL_BYTES * extent[0] * extent[1] + wanted.size_bytes, wanted.limits)
    data = read_all(wanted)
    named = b"\n\n-Y %d +X %d\n" % extent[::-1]  # the only order that the codec knows
    with decoding(wanted.kind):
        samples = np.asarray(codecs.rgbe_decode(data.replace(size[0], named, 1)), np.float32)
    turned = orient_array(samples, _ORIENTATIONS.get(size["first"] + size["second"], 1))
    return DeepImage(ArrayRows(_shown(turned), colours=3), (0.0, 1.0), codes=CodePoints(_BT709, _LINEAR))


def _shown(light: Array) -> Array:
    """Linear light up to white. 1.0 is white, as programs that do not adapt show it, unless the image is nearly black
    or mostly white that way; then its 99th percentile is. A brighter colour keeps its hue."""
    light = np.maximum(np.nan_to_num(light, posinf=0.0, neginf=0.0), 0.0)
    brightest = light.max(axis=-1, keepdims=True)
    some = brightest.ravel()[:: max(1, brightest.size // _LOOKED_AT)]
    middle, most = np.percentile(some, (50.0, _ALMOST_ALL))
    white = np.float32(most if most > 0 and (most < _DARK or middle > 1.0) else 1.0)
    return np.asarray(light / np.maximum(brightest, white), np.float32)
