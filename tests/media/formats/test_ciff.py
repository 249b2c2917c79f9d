"""Canon's CRW: what its heap tells. Of two public samples it tells what ExifTool does; these are of our own making."""

from __future__ import annotations

import io
import struct

import pytest

from imgsearch.media.containers.tiff import camera_raw
from imgsearch.media.facts.content import content_facts
from imgsearch.media.sniff import sniff

SECONDS = 1_068_485_966  # 2003-11-10 17:39:26 by the camera's clock


def _heap(order: str, entries: list[tuple[int, bytes]]) -> bytes:
    """A heap with its values first, then its directory; eight bytes and less stand in the entry if the tag says so."""
    body, rows = b"", b""
    for tag, data in entries:
        if tag & 0x4000:
            rows += struct.pack(f"{order}H", tag) + data[:8].ljust(8, b"\0")
        else:
            rows += struct.pack(f"{order}HII", tag, len(data), len(body))
            body += data
    return body + struct.pack(f"{order}H", len(entries)) + rows + struct.pack(f"{order}I", len(body))


def crw(rotation: int = 0, seconds: int = SECONDS, order: str = "<") -> bytes:
    shape = struct.pack(f"{order}IIfiIII", 3072, 2048, 1.0, rotation, 12, 36, 1)
    model = _heap(order, [(0x080A, b"Canon\0Canon EOS DIGITAL REBEL\0")])
    about = _heap(order, [(0x180E, struct.pack(f"{order}III", seconds, 0, 0)), (0x1810, shape), (0x2807, model)])
    root = _heap(order, [(0x2005, b"raw"), (0x300A, about), (0x5003, b"in entry")])
    mark = b"II" if order == "<" else b"MM"
    return mark + struct.pack(f"{order}I", 26) + b"HEAPCCDR" + struct.pack(f"{order}III", 0x10002, 0, 0) + root


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("rotation", "orientation"), [(0, 1), (90, 6), (180, 3), (270, 8)])
def test_the_heap_tells_date_camera_size_and_orientation(order, rotation, orientation):
    data = crw(rotation, order=order)
    header = camera_raw.read_header(io.BytesIO(data))
    assert (header.extent, header.exif[0x0112], header.raw) == ((3072, 2048), orientation, True)
    kind = sniff(crw(), "x.crw")
    facts = content_facts(io.BytesIO(data), kind)
    assert (kind.format, facts.taken_at, facts.taken_source) == ("RAW", "2003-11-10T17:39:26", "exif")
    assert facts.camera == "Canon EOS DIGITAL REBEL"


def test_a_clock_that_was_never_set_is_no_date():
    assert content_facts(io.BytesIO(crw(seconds=0)), sniff(crw(), "x.crw")).taken_at is None


def test_a_damaged_heap_tells_less_and_never_raises():
    whole = crw()
    for cut in range(14, len(whole)):
        camera_raw.read_header(io.BytesIO(whole[:cut]))
        flipped = bytearray(whole)
        flipped[cut] ^= 0xFF
        camera_raw.read_header(io.BytesIO(bytes(flipped)))


def test_a_heap_that_holds_itself_ends():
    inner = struct.pack("<HHIII", 1, 0x2807, 1000, 0, 0)
    data = b"II\x1a\0\0\0HEAPCCDR" + bytes(12) + inner.ljust(996, b"\0") + struct.pack("<I", 0)
    assert camera_raw.read_header(io.BytesIO(data)).extent == (0, 0)
