"""Old and scientific formats that Pillow reads, but without a useful range or without a memory limit."""

from __future__ import annotations

import io
import re

import numpy as np

from imgsearch.errors import MediaError
from imgsearch.media.colour.ranges import Span
from imgsearch.media.colour.rows import Array, PillowRows
from imgsearch.media.colour.small import DeepImage
from imgsearch.media.containers.header import read_at
from imgsearch.media.limits import check_memory, read_jpeg_layout
from imgsearch.media.opening import decoding, open_image
from imgsearch.media.wanted import DecodeRequest

_BLP1_JPEG_AT, _BLP1_TABLE_AT = 156, 28  # offsets of the JPEG header that all sizes share, and of the table of sizes
_READ_ICON = re.compile(rb"icp[4-6]|ic0[7-9]|ic1[0-4]|i[tlhs]32")
_UNREAD_ICON = re.compile(rb"ICON|ICN#|ic[mslh][#48]|ic0[45]|ics[bB]|[sS][bB]24")
_MOST_ICONS = 256
_SHOWN = (0.5, 99.5)  # percentiles that become black and white; FITS programs offer 99 to 99.5 %
_LOOKED_AT = 1_000_000


def read_fits(wanted: DecodeRequest) -> DeepImage:
    """FITS holds photon counts without an agreed white, and a few stars are far brighter than the rest. Therefore
    percentiles of the samples fill the range."""
    with open_image(wanted.stream, wanted.kind, wanted.size_bytes, wanted.limits) as image:
        pixels = image.size[0] * image.size[1]  # compressed samples pass through Python lists
        check_memory(
            "FITS", "I", image.size, size_bytes=wanted.size_bytes, extra_bytes=16 * pixels, limits=wanted.limits
        )
        with decoding(wanted.kind):
            image.load()
        return DeepImage(PillowRows(image), (0.0, 255.0) if image.mode == "L" else _usual(np.asarray(image)))


def _usual(samples: Array) -> Span | None:
    some = samples.ravel()[:: max(1, samples.size // _LOOKED_AT)]
    some = some[np.isfinite(some)]
    low, high = np.percentile(some, _SHOWN) if some.size else (0.0, 0.0)
    return (float(low), float(high)) if low < high else None


def check_icns(wanted: DecodeRequest) -> None:
    """Raise MediaError for a macOS icon file none of whose entries Pillow 13 reads: it may hold icons of classic Mac OS
    alone, or small ones as bare ARGB."""
    at = 8
    names: list[bytes] = []
    while len(names) < _MOST_ICONS and len(entry := read_at(wanted.stream, at, 8)) == 8:
        names.append(entry[:4])
        at += max(8, int.from_bytes(entry[4:8], "big"))
    unread = [name.decode() for name in names if _UNREAD_ICON.fullmatch(name)]
    if unread and not any(map(_READ_ICON.fullmatch, names)):
        raise MediaError(f"not supported: a macOS icon file of {', '.join(unread)}", stage="open")


def check_blp(wanted: DecodeRequest) -> None:
    """Check the memory for the JPEG inside, whose size Pillow decodes whatever the header says. Raises
    TooMuchMemory."""
    head = read_at(wanted.stream, 0, _BLP1_JPEG_AT + 4)
    if head[:8] != b"BLP1\0\0\0\0" or len(head) < _BLP1_JPEG_AT + 4:
        return
    shared = int.from_bytes(head[_BLP1_JPEG_AT : _BLP1_JPEG_AT + 4], "little")
    first = int.from_bytes(head[_BLP1_TABLE_AT : _BLP1_TABLE_AT + 4], "little")
    jpeg = read_at(wanted.stream, _BLP1_JPEG_AT + 4, min(shared, 65536)) + read_at(wanted.stream, first, 65536)
    layout = read_jpeg_layout(io.BytesIO(jpeg))
    extra = 12 * layout.size[0] * layout.size[1] + layout.coefficient_bytes
    check_memory("BLP", "RGBA", layout.size, size_bytes=wanted.size_bytes, extra_bytes=extra, limits=wanted.limits)
