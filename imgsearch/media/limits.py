"""How much memory decoding an image will take, computed from its header before anything is decoded."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

from imgsearch.errors import MediaError

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """Limits for one file. 640 MiB hold 160 megapixels of RGB, or the 600 MB of coefficients of a progressive
    200-megapixel JPEG (4:2:0). A baseline JPEG is decoded at an eighth and needs a fraction of that."""

    memory_bytes: int = 640 * MIB
    file_bytes: int = 2048 * MIB


LIMITS = DecodeLimits()

HEAVY_PATIENCE = 6
"""Factor on the usual time limit for an image that needs so much memory that it is decoded alone. 200 megapixels of
HEIC take 10 to 25 s."""

_LARGEST_BUDGET = 4096 * MIB
_BUDGET_SHARE = 6  # a sixth of the free memory, because a model, a browser and other programs run beside the decoder


@cache
def machine_budget() -> int:
    """Bytes that a single large image may take on this machine: a sixth of the memory that was free at the first call,
    but at least 640 MiB and at most 4 GiB. 200 megapixels of HEIC in one piece take 1.2 GB."""
    return max(LIMITS.memory_bytes, min(_LARGEST_BUDGET, _free_bytes() // _BUDGET_SHARE))


def _free_bytes() -> int:
    """Bytes of free memory, 0 where the system does not say. A container's limit counts, but not what it has already
    used."""
    try:
        match = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
        free = int(match[1]) * 1024 if match else 0
    except OSError:
        return 0
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(name).read_text().strip()
        except OSError:
            continue
        if text.isdecimal():
            free = min(free, int(text))
    return free


class TooMuchMemory(MediaError):
    """Decoding the image would need more memory than the limits allow. ``needed_bytes`` is the estimate."""

    def __init__(self, message: str, needed_bytes: int) -> None:
        super().__init__(message, stage="open")
        self.needed_bytes = needed_bytes


# Bytes a pixel that a codec takes besides Pillow's own copy: planes, canvases, buffers.
_CODEC_BYTES = {
    "WEBP": 12.0,
    "AVIF": 8.0,
    "HEIF": 4.0,
    "JPEG2000": 24.0,
    "ICO": 8.0,
    "ICNS": 24.0,
    "GIF": 2.0,
    "JXL": 8.0,
}
_WHOLE_FILE = frozenset({"WEBP", "AVIF", "HEIF", "JPEG2000", "TIFF", "JXL"})  # codecs that hold a copy of the file


def check_memory(
    kind: str, mode: str, size: tuple[int, int], *, size_bytes: int, extra_bytes: int, limits: DecodeLimits
) -> None:
    """Raise TooMuchMemory if decoding an image of this format, Pillow mode and size (after `draft`) would pass the
    limit. ``extra_bytes`` are added to what the format usually takes."""
    pixel_bytes = {"1": 1, "L": 1, "P": 1}.get(mode, 2 if mode.startswith("I;16") else 4)
    needed = int(size[0] * size[1] * (pixel_bytes + _CODEC_BYTES.get(kind, 0.0))) + extra_bytes
    needed += size_bytes if kind in _WHOLE_FILE else 0
    check_bytes(size, needed, limits, many_scans=kind == "JPEG" and extra_bytes > 0)


def check_bytes(size: tuple[int, int], needed: int, limits: DecodeLimits, *, many_scans: bool = False) -> None:
    """Raise TooMuchMemory if an image of this size needs more bytes than the limit."""
    if needed > limits.memory_bytes:
        what = "progressive, and" if many_scans else f"{size[0]} x {size[1]} pixels:"
        raise TooMuchMemory(
            f"the picture is {what} decoding it needs {needed // MIB} MiB of memory,"
            f" more than the limit of {limits.memory_bytes // MIB} MiB",
            needed,
        )


def webp_canvas(head: bytes) -> tuple[int, int]:
    """Width and height in a WebP file's header, (0, 0) if unreadable. They are checked first, because the decoder takes
    the canvas's memory as soon as it is opened."""
    if head[12:16] == b"VP8X" and len(head) >= 30:
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L" and len(head) >= 25:
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    if head[12:16] == b"VP8 " and len(head) >= 30:
        return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
    return 0, 0


@dataclass(frozen=True, slots=True)
class JpegLayout:
    """What a JPEG's headers say about the work of decoding it; all fields are 0 if they cannot be read.

    ``coefficient_bytes``: memory that libjpeg needs for a JPEG in several scans (progressive, or one scan a component):
    all coefficients, two bytes each, at any scale. 0 for a single scan. ``least_bytes``: the smallest file that can
    hold an image of this size, at one bit a block of 8 x 8. ``depth``: bits a sample. ``marker``: the kind of frame
    (SOF).
    """

    coefficient_bytes: int = 0
    least_bytes: int = 0
    depth: int = 0
    size: tuple[int, int] = (0, 0)
    marker: int = 0

    @property
    def is_ls(self) -> bool:
        """Whether it is JPEG-LS."""
        return self.marker == 0xF7

    @property
    def is_lossless(self) -> bool:
        """Whether it is JPEG-LS or lossless JPEG instead of ordinary JPEG."""
        return self.marker in (0xC3, 0xC7, 0xCB, 0xCF, 0xF7)


def read_jpeg_layout(source: BinaryIO) -> JpegLayout:
    """Read a JPEG's headers. The stream's position is restored."""
    start = source.tell()
    try:
        source.seek(0)
        return _read_layout(source)
    finally:
        source.seek(start)


def _read_layout(source: BinaryIO) -> JpegLayout:
    kind, frame = 0, b""
    source.read(2)
    for _ in range(10_000):
        byte = source.read(1)
        while byte and byte != b"\xff":  # stray bytes between segments; libjpeg skips them too
            byte = source.read(1)
        while byte == b"\xff":
            byte = source.read(1)
        if not byte or byte == b"\xd9":
            break
        if byte in b"\x00\x01" or 0xD0 <= byte[0] <= 0xD8:
            continue
        length = int.from_bytes(source.read(2), "big")
        if byte == b"\xda":
            return _layout(kind, frame, source.read(1))
        if (0xC0 <= byte[0] <= 0xCF and byte[0] not in (0xC4, 0xC8, 0xCC)) or byte[0] == 0xF7:
            kind, frame = byte[0], source.read(max(length - 2, 0))
        else:
            source.seek(max(length - 2, 0), io.SEEK_CUR)
    return JpegLayout()


def _layout(kind: int, frame: bytes, scan_components: bytes) -> JpegLayout:
    """From the frame header (SOF) and the number of components in the first scan."""
    if len(frame) < 6:
        return JpegLayout()
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    factors = [(byte >> 4, byte & 15) for byte in frame[7::3]][: frame[5]]
    across = max((h for h, _ in factors), default=1) or 1
    down = max((v for _, v in factors), default=1) or 1
    samples = sum(width * h // across * (height * v // down) for h, v in factors)
    many_scans = kind & 3 == 2 or scan_components != frame[5:6]
    arithmetic = kind >= 0xC9  # an arithmetic coder may spend less than a bit a block
    least = 0 if arithmetic else (width // 8) * (height // 8) // 8
    return JpegLayout(2 * samples if many_scans else 0, least, frame[0], (width, height), kind)


def largest_icon(source: BinaryIO) -> tuple[int, int]:
    """Width and height of the largest PNG in an icon file, by the PNG's own header instead of the directory; (0, 0) if
    there is none. The stream's position is restored."""
    start = source.tell()
    try:
        source.seek(4)
        entries = source.read(2 + 16 * 256)
        largest = (0, 0)
        for at in range(2, 2 + 16 * min(int.from_bytes(entries[:2], "little"), 256), 16):
            source.seek(int.from_bytes(entries[at + 12 : at + 16], "little"))
            png = source.read(24)
            if png.startswith(b"\x89PNG"):
                size = int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
                largest = max(largest, size, key=lambda each: each[0] * each[1])
        return largest
    finally:
        source.seek(start)


_ICON_HEAD = 1 << 16  # bytes read of an entry, because a JPEG 2000 may have a profile before its codestream


def largest_apple_icon(source: BinaryIO) -> tuple[int, int]:
    """`largest_icon` for a macOS icon file, whose entries are PNG and JPEG 2000 of any size, whatever their names
    say."""
    start, at = source.tell(), 8
    largest = (0, 0)
    try:
        for _ in range(256):
            source.seek(at)
            entry = source.read(8 + _ICON_HEAD)
            length = int.from_bytes(entry[4:8], "big")
            if len(entry) < 8 or length < 8:
                break
            largest = max([largest, *_claimed(entry[8:length])], key=lambda each: each[0] * each[1])
            at += length
        return largest
    finally:
        source.seek(start)


def _claimed(head: bytes) -> list[tuple[int, int]]:
    """The sizes that the headers of a PNG, a JP2 box and a codestream give, as far as they are present."""
    if head.startswith(b"\x89PNG"):
        return [(int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big"))]
    box, stream = head.find(b"ihdr") + 4, head.find(b"\xff\x4f\xff\x51") + 8
    return [
        (int.from_bytes(head[at : at + 4], "big"), int.from_bytes(head[at + 4 : at + 8], "big"))
        for at, least in ((box, 4), (stream, 8))
        if at >= least
    ]
