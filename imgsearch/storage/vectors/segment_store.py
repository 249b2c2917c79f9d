"""The writing side of the segments: append, make durable, cut back. Only the holder of the writer lock has one."""

from __future__ import annotations

import os
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgsearch.errors import SegmentDamaged
from imgsearch.files import fsync_folder, reached
from imgsearch.records import Float32, Int64, SlotRange
from imgsearch.storage.disk_errors import disk_errors
from imgsearch.storage.layout import SEGMENT_SUFFIX
from imgsearch.storage.vectors.segments import (
    DAMAGE_HINT,
    HEADER_BYTES,
    SegmentInfo,
    VectorShape,
    decode,
    encode,
    fits_scale,
    int8_scale,
    map_segment,
    pack_header,
    segment_name,
)

MAX_SLOTS = 65_536
MAX_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Appended:
    """Slots written but not yet committed, which become a batch row. ``checksum`` is the crc32 of the bytes."""

    file_name: str
    slots: SlotRange
    scale: float
    checksum: int


class SegmentStore:
    """Append-only vector files of one library.

    ``segments`` are those of the catalog, ascending; slots are numbered from ``next_slot`` on and never twice.
    A segment takes appends until it holds ``max_slots``; the next append then opens a new file.
    """

    def __init__(
        self,
        folder: Path,
        shape: VectorShape,
        segments: Sequence[SegmentInfo],
        next_slot: int,
        max_slots: int | None = None,
    ) -> None:
        self.folder = folder
        self.shape = shape
        self.next_slot = next_slot
        self._segments = list(segments)
        self._max_slots = max_slots or max(1, min(MAX_SLOTS, MAX_BYTES // shape.slot_bytes))
        self._descriptor = -1  # of the last segment, while it takes appends
        self._new_file = False
        self._closed = False  # True: the last segment takes no more appends, even with room
        self._unsynced: set[int] = set()

    def recover(self, spared: Collection[str] = ()) -> None:
        """Cut every segment back to its last batch row and remove files that no row names, the leftovers of a killed
        run, but none of ``spared``. Raises SegmentDamaged for a segment that is missing or shorter than its last batch
        row."""
        known = {info.file_name: info for info in self._segments}
        for info in self._segments:
            self._cut_file(info)
        with disk_errors(self.folder):
            found = self.folder.glob("*" + SEGMENT_SUFFIX)
            orphans = [path for path in found if path.name not in known and path.name not in spared]
            for path in orphans:
                path.unlink()
            if orphans:
                fsync_folder(self.folder)
                reached("recovery-unlinked")

    @property
    def infos(self) -> list[SegmentInfo]:
        """The segments, ascending."""
        return list(self._segments)

    def append(self, vectors: NDArray[np.floating[Any]]) -> Appended:
        """Write [n, T, D] behind the last slot; not durable before ``sync``. Raises StorageFull, ValueError."""
        wanted = (self.shape.query_tokens, self.shape.dims)
        if vectors.ndim != 3 or vectors.shape[1:] != wanted or not len(vectors):
            raise ValueError(f"vectors have shape {vectors.shape}, expected [n, {wanted[0]}, {wanted[1]}] with n >= 1")
        if self.shape.dtype != "int8":
            return self.append_stored(encode(vectors, self.shape, 1.0), 1.0)
        numbers = vectors.astype(np.float32)
        scale = self._segments[-1].scale if self._takes_appends() else 0.0
        if not scale or not fits_scale(numbers, scale):
            scale = int8_scale(numbers)
        return self.append_stored(encode(numbers, self.shape, scale), scale)

    def append_stored(self, stored: NDArray[Any], scale: float) -> Appended:
        """Like ``append``, for numbers already encoded with ``scale``; a compaction moves them unchanged."""
        with disk_errors(self.folder):
            if not self._takes_appends() or self._segments[-1].scale != scale:
                self._open_new(scale)
            elif self._descriptor < 0:
                self._descriptor = os.open(self.folder / self._segments[-1].file_name, os.O_WRONLY | os.O_CLOEXEC)
            info = self._segments[-1]
            content = memoryview(np.ascontiguousarray(stored).data).cast("B")
            _write_all(self._descriptor, content, HEADER_BYTES + info.count * self.shape.slot_bytes)
            self._unsynced.add(self._descriptor)
        reached("segment-written")
        slots = SlotRange(self.next_slot, len(stored))
        self._segments[-1] = replace(info, count=info.count + len(stored))
        self.next_slot += len(stored)
        return Appended(info.file_name, slots, scale, zlib.crc32(content))

    def sync(self) -> None:
        """Make every append so far durable: the files, and the folder if one is new."""
        with disk_errors(self.folder):
            for descriptor in self._unsynced:
                os.fsync(descriptor)
            reached("segment-fsynced")
            if self._new_file:
                fsync_folder(self.folder)
                reached("directory-fsynced")
        self._close_full()
        self._unsynced.clear()
        self._new_file = False

    def truncate(self, slot: int) -> None:
        """Cut back everything at or after ``slot``, which was never committed; removes a file left empty."""
        self.close()
        with disk_errors(self.folder):
            while self._segments and self._segments[-1].first_slot >= slot:
                (self.folder / self._segments.pop().file_name).unlink(missing_ok=True)
            if self._segments and self._segments[-1].stop > slot:
                self._segments[-1] = replace(self._segments[-1], count=slot - self._segments[-1].first_slot)
                self._cut_file(self._segments[-1])
        self.next_slot = slot

    def read(self, slots: Int64) -> Float32:
        """Vectors of ``slots``, [n, T, D] float32, in the given order. ValueError for an unknown slot."""
        out = np.empty((len(slots), self.shape.query_tokens, self.shape.dims), np.float32)
        found = np.zeros(len(slots), bool)
        for info in self._segments:
            inside = (slots >= info.first_slot) & (slots < info.stop)
            if inside.any():
                stored = map_segment(self.folder, self.shape, info)
                out[inside] = decode(stored[slots[inside] - info.first_slot], self.shape, info.scale)
                found |= inside
        if not found.all():
            raise ValueError(f"slots {slots[~found][:5].tolist()} do not exist")
        return out

    def start_new_segment(self) -> None:
        """Make the next append open a file, even if the last segment has room."""
        self.close()
        self._closed = True

    def drop(self, file_name: str) -> None:
        """Forget a segment that the catalog no longer names, and unlink its file; readers' maps stay valid."""
        self._segments = [info for info in self._segments if info.file_name != file_name]
        with disk_errors(self.folder):
            (self.folder / file_name).unlink(missing_ok=True)
            fsync_folder(self.folder)

    def close(self) -> None:
        """Close the files; nothing is flushed or cut."""
        for descriptor in self._unsynced | {self._descriptor}:
            if descriptor >= 0:
                os.close(descriptor)
        self._unsynced.clear()
        self._descriptor = -1
        self._new_file = False

    def _takes_appends(self) -> bool:
        """Whether the last segment takes appends; a gap in the slot numbers (after a repair or a compaction) closes it
        too."""
        if not self._segments or self._closed:
            return False
        last = self._segments[-1]
        return last.count < self._max_slots and last.stop == self.next_slot

    def _open_new(self, scale: float) -> None:
        if self._descriptor >= 0 and self._descriptor not in self._unsynced:
            os.close(self._descriptor)
        self._descriptor = -1
        info = SegmentInfo(segment_name(self.next_slot), self.next_slot, 0, scale)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._descriptor = os.open(self.folder / info.file_name, flags, 0o644)
        self._segments.append(info)
        self._new_file = True
        self._closed = False
        self._unsynced.add(self._descriptor)
        _write_all(self._descriptor, memoryview(pack_header(self.shape, info.first_slot, scale)), 0)
        reached("segment-created")

    def _close_full(self) -> None:
        for descriptor in self._unsynced - {self._descriptor}:
            os.close(descriptor)

    def _cut_file(self, info: SegmentInfo) -> None:
        path = self.folder / info.file_name
        length = HEADER_BYTES + info.count * self.shape.slot_bytes
        try:
            size = path.stat().st_size
        except FileNotFoundError as exc:
            raise SegmentDamaged(f"{path} is missing; the catalog has {info.count} images in it", DAMAGE_HINT) from exc
        if size < length:
            raise SegmentDamaged(f"{path} has {size} bytes, the catalog's batches need {length}", DAMAGE_HINT)
        if size > length:
            with disk_errors(path), path.open("r+b") as file:
                file.truncate(length)
                os.fsync(file.fileno())
            reached("recovery-cut")


def _write_all(descriptor: int, content: memoryview, offset: int) -> None:
    """Writes all bytes, because a full disk may take part of a write before it refuses the rest."""
    while content:
        written = os.pwrite(descriptor, content, offset)
        content, offset = content[written:], offset + written
