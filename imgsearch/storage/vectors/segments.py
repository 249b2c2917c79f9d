"""The formats of vectors on disk: one segment file's header, encoding, and its memory map (docs/formats.md)."""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgsearch.errors import LibraryUnsupported, SegmentDamaged
from imgsearch.records import Float32

MAGIC = b"IMGSEGMT"
SEGMENT_FORMAT = 1
HEADER_BYTES = 4096  # one page, so that rows of a power of two stay aligned in the map
DAMAGE_HINT = (
    "`imgsearch verify` lists what is damaged; `imgsearch verify --repair` drops it, the next index embeds it again"
)

_HEADER = struct.Struct("<8sIIIIQd")  # magic, format, dtype, T, D, first slot, scale
_CHECK = struct.Struct("<I")  # crc32 of the fields before it
_DTYPES: dict[str, tuple[int, np.dtype[Any]]] = {
    "float16": (1, np.dtype("<f2")),
    "float32": (2, np.dtype("<f4")),
    "int8": (3, np.dtype("i1")),
}
_INT8_PEAK = 127.0


@dataclass(frozen=True, slots=True)
class VectorShape:
    """The shape of one slot of a library: T vectors of D numbers, stored as ``dtype``."""

    dtype: str
    query_tokens: int
    dims: int

    def __post_init__(self) -> None:
        if self.dtype not in _DTYPES or self.query_tokens < 1 or self.dims < 1:
            raise ValueError(f"got {self}, expected a dtype of {', '.join(_DTYPES)} and positive sizes")

    @property
    def stored(self) -> np.dtype[Any]:
        return _DTYPES[self.dtype][1]

    @property
    def slot_bytes(self) -> int:
        return self.query_tokens * self.dims * self.stored.itemsize


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """One segment as the catalog knows it: ``count`` committed slots from ``first_slot``; a stored int8 number
    times ``scale`` is the vector's (scale is 1 for the other dtypes)."""

    file_name: str
    first_slot: int
    count: int
    scale: float

    @property
    def stop(self) -> int:
        return self.first_slot + self.count


def segment_name(first_slot: int) -> str:
    """The file's name. Slots are numbered once, so the first one names the file for good."""
    return f"{first_slot:012d}.vec"


def pack_header(shape: VectorShape, first_slot: int, scale: float) -> bytes:
    """The 4096 bytes that open a segment file."""
    code = _DTYPES[shape.dtype][0]
    fields = _HEADER.pack(MAGIC, SEGMENT_FORMAT, code, shape.query_tokens, shape.dims, first_slot, scale)
    return (fields + _CHECK.pack(zlib.crc32(fields))).ljust(HEADER_BYTES, b"\0")


def check_header(head: bytes, path: Path, shape: VectorShape, info: SegmentInfo) -> None:
    """Raise SegmentDamaged unless ``head`` is the header that the catalog expects of ``path``;
    LibraryUnsupported for a newer segment format."""
    fields = head[: _HEADER.size]
    if len(head) < _HEADER.size + _CHECK.size or fields[:8] != MAGIC:
        raise SegmentDamaged(f"{path} does not begin like a segment (magic {MAGIC!r})", DAMAGE_HINT)
    if head[_HEADER.size : _HEADER.size + _CHECK.size] != _CHECK.pack(zlib.crc32(fields)):
        raise SegmentDamaged(f"{path}: the header's checksum does not match", DAMAGE_HINT)
    _, version, *found = _HEADER.unpack(fields)
    if version > SEGMENT_FORMAT:
        raise LibraryUnsupported(
            f"{path} has segment format {version}, this program reads up to {SEGMENT_FORMAT}",
            "install a newer imgsearch",
        )
    wanted = [_DTYPES[shape.dtype][0], shape.query_tokens, shape.dims, info.first_slot, info.scale]
    if found != wanted:
        raise SegmentDamaged(
            f"{path}: the header says (dtype, T, D, first slot, scale) = {tuple(found)}, the catalog {tuple(wanted)}",
            DAMAGE_HINT,
        )


def int8_scale(vectors: Float32) -> float:
    """The scale that holds ``vectors`` without clipping, a quarter to spare for the batches that follow.

    One rounding step is at most 1/127 of 1.25 times the largest number: for unit vectors of 256 dims, whose
    largest number is near 0.3, an error of at most 0.0015 a number.
    """
    peak = float(np.abs(vectors).max(initial=0.0))
    return float(np.float32(1.25 * max(peak, 1e-6) / _INT8_PEAK))


def fits_scale(vectors: Float32, scale: float) -> bool:
    """True if no number of ``vectors`` would be clipped at ``scale``."""
    return float(np.abs(vectors).max(initial=0.0)) <= scale * _INT8_PEAK


def encode(vectors: NDArray[np.floating[Any]], shape: VectorShape, scale: float) -> NDArray[Any]:
    """[n, T, D] as stored; float16 rounds to nearest even, int8 to the nearest step."""
    if shape.dtype == "int8":
        steps: NDArray[Any] = np.rint(vectors / np.float32(scale)).clip(-_INT8_PEAK, _INT8_PEAK)
        return steps.astype(np.int8)
    return np.ascontiguousarray(vectors, dtype=shape.stored)


def decode(stored: NDArray[Any], shape: VectorShape, scale: float) -> Float32:
    """[n, T, D] float32 from stored numbers; always a copy."""
    vectors = stored.astype(np.float32)
    if shape.dtype == "int8":
        vectors *= np.float32(scale)
    return vectors


def map_segment(folder: Path, shape: VectorShape, info: SegmentInfo) -> NDArray[Any]:
    """The committed slots of one segment, [count, T, D] as stored, read-only, straight from the page cache.

    The map outlives an unlink of the file. Raises FileNotFoundError (the caller knows whether a compaction
    explains it), SegmentDamaged for a file shorter than its last batch row or with another header.
    """
    path = folder / info.file_name
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = HEADER_BYTES + info.count * shape.slot_bytes
        if size < length:
            raise SegmentDamaged(f"{path} has {size} bytes, the catalog's batches need {length}", DAMAGE_HINT)
        check_header(file.read(_HEADER.size + _CHECK.size), path, shape, info)
        mapped = mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ)
    numbers = np.frombuffer(mapped, dtype=shape.stored, offset=HEADER_BYTES)
    return numbers.reshape(info.count, shape.query_tokens, shape.dims)  # [count, T, D]


def release_pages(stored: NDArray[Any]) -> None:
    """Let go of the pages of a segment's map that were read. They stay in the page cache, but count no longer as memory
    of this process; the next use maps them again. For whoever reads many vectors once."""
    base: Any = stored
    while base is not None and not isinstance(base, mmap.mmap):
        base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
    if base is not None and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
