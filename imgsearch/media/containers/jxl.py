"""The size and orientation at the head of a JPEG XL codestream (ISO/IEC 18181-1, annex D; 18181-2 for the boxes)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from imgsearch.media.containers.boxes import file_boxes, read_box
from imgsearch.media.containers.header import Header, load_exif, read_at, stream_size, usual_depth

_KNOWN_BOXES = frozenset(
    (b"JXL ", b"ftyp", b"jxlc", b"jxlp", b"jxll", b"jxli", b"Exif", b"xml ", b"brob", b"jbrd", b"jumb")
)
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_SIZE_BITS = (9, 13, 18, 30)


class _Bits:
    """Reads little-endian bits."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        found = self._value & ((1 << count) - 1)
        self._value >>= count
        return found


@dataclass(frozen=True, slots=True)
class JxlHead:
    """Width and height as stored, the EXIF orientation, and bits a sample. The bits are 0 for floats, and for an
    animation or a preview, whose fields precede them."""

    width: int = 0
    height: int = 0
    orientation: int = 1
    bits: int = 8
    is_plain: bool = False  # one image, with no channels but colour and alpha
    has_alpha: bool = False


def read_header(stream: BinaryIO) -> Header:
    """The facts in the boxes `Exif` and `xml `. Boxes compressed with Brotli are not read."""
    head = read_jxl_head(stream)
    if not head.width:
        raise ValueError("no codestream")
    header = Header(depth=usual_depth(head.bits or 32), extent=(head.width, head.height))
    header.has_alpha = head.has_alpha
    if not head.is_plain:
        header.maps, header.hidden = 1, ["frames and extra channels are not compared"]
    if read_at(stream, 0, 2) == b"\xff\x0a":
        return header
    for box in file_boxes(stream, 0, stream_size(stream)):
        if box.name == b"Exif":
            data = read_box(stream, box)
            header.exif = load_exif(data[4 + int.from_bytes(data[:4], "big") :])
        elif box.name == b"xml " and not header.xmp:
            header.xmp = read_box(stream, box)
        elif box.name not in _KNOWN_BOXES:  # a gain map, or a box of a later standard
            header.maps, header.hidden = 1, ["what lies beside the picture is not compared"]
    return header


def read_jxl_head(stream: BinaryIO) -> JxlHead:
    """The beginning of the codestream; empty if there is none."""
    head = read_at(stream, 0, 32)
    if not head.startswith(b"\xff\x0a"):
        head = next(
            (
                read_at(stream, box.start + (4 if box.name == b"jxlp" else 0), 32)
                for box in file_boxes(stream, 0, stream_size(stream))
                if box.name in (b"jxlc", b"jxlp")
            ),
            b"",
        )
    if not head.startswith(b"\xff\x0a"):
        return JxlHead()
    bits = _Bits(head[2:])
    width, height = _read_size(bits)
    if bits.take(1):  # all default
        return JxlHead(width, height, is_plain=True)
    orientation = 1
    if bits.take(1):  # extra fields
        orientation = bits.take(3) + 1
        if bits.take(1):
            _read_size(bits)  # the intrinsic size
        if bits.take(1) or bits.take(1):  # a preview, an animation
            return JxlHead(width, height, orientation, 0)
    if bits.take(1):  # floats
        return JxlHead(width, height, orientation, 0)
    kind = bits.take(2)
    depth = (8, 10, 12)[kind] if kind < 3 else bits.take(6) + 1
    bits.take(1)  # whether 16-bit buffers are enough for the decoder
    alpha, others = _read_extra_channels(bits)
    return JxlHead(width, height, orientation, depth, not others, alpha)


def _read_extra_channels(bits: _Bits) -> tuple[bool, bool]:
    """Whether alpha is the only extra channel, and whether there are any others."""
    kind = bits.take(2)
    count = (0, 1)[kind] if kind < 2 else bits.take(4) + 2 if kind == 2 else bits.take(12) + 1
    if count != 1:
        return False, count > 0
    if bits.take(1):  # all default: 8-bit alpha
        return True, False
    kind = bits.take(2)
    is_alpha = kind == 0
    return is_alpha, not is_alpha


def _read_size(bits: _Bits) -> tuple[int, int]:
    small = bits.take(1)
    height = (bits.take(5) + 1) * 8 if small else bits.take(_SIZE_BITS[bits.take(2)]) + 1
    ratio = bits.take(3)
    if ratio:
        across, down = _RATIOS[ratio]
        return height * across // down, height
    width = (bits.take(5) + 1) * 8 if small else bits.take(_SIZE_BITS[bits.take(2)]) + 1
    return width, height
