"""The library at one point in time, as a search reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgsearch.records import Float32, Int64
from imgsearch.storage.vectors.segments import SegmentInfo, VectorShape, decode, release_pages

_SPARSE = 16
"""Ids up to so many times the images are looked up in a table, others one by one, which takes ten times as long."""

_FEW = 64
"""Up to one in so many images, found places are sorted; else they are marked in a mask of all images."""


class View:
    """Immutable; safe from any thread; keeps working while a writer commits or compacts, since it owns maps of
    exactly the slots that were committed when it was made.

    ``slots`` is one past the highest committed slot. Slot numbers are sparse after a compaction, and a slot may
    be dead (its image has no file): ``live_slots`` int64 [N], ascending, and ``image_ids`` int64 [N] name the live
    ones; ``dead_slots``, ascending, are those of deleted images, which live again when a file of theirs comes back.
    """

    def __init__(
        self,
        generation: int,
        shape: VectorShape,
        segments: Sequence[tuple[SegmentInfo, NDArray[Any]]],
        live: tuple[Int64, Int64],
        dead_slots: Int64,
        current_generation: Callable[[], int],
    ) -> None:
        self.generation = generation
        self.shape = shape
        self.live_slots, self.image_ids = live
        self.dead_slots = dead_slots
        self.slots = segments[-1][0].stop if segments else 0
        self._segments = segments
        self._firsts = np.array([info.first_slot for info, _ in segments], np.int64)
        self._current_generation = current_generation

    @property
    def query_tokens(self) -> int:
        return self.shape.query_tokens

    @property
    def dims(self) -> int:
        return self.shape.dims

    @property
    def dtype(self) -> str:
        return self.shape.dtype

    @property
    def count(self) -> int:
        """N, the number of live images."""
        return len(self.live_slots)

    def changed(self) -> bool:
        """True once a commit may have changed the results of a search; reads one row."""
        return self._current_generation() != self.generation

    def blocks(self, max_slots: int = 8192) -> Iterator[tuple[int, NDArray[Any]]]:
        """(first slot, [n, T, D]) of every committed slot, dead ones too, ascending, n <= ``max_slots``.

        float16 and float32 come straight from the memory map (read-only, no copy); int8 as float32.
        """
        if max_slots < 1:
            raise ValueError(f"max_slots is {max_slots}, expected at least 1")
        for info, stored in self._segments:
            for start in range(0, info.count, max_slots):
                block = stored[start : start + max_slots]
                if self.dtype == "int8":
                    block = decode(block, self.shape, info.scale)
                yield info.first_slot + start, block

    def stored_blocks(
        self, max_slots: int, first: int = 0, stop: int | None = None
    ) -> Iterator[tuple[int, NDArray[Any], float]]:
        """(first slot, [n, T, D] as stored, scale) of the committed slots from ``first`` to before ``stop``, dead ones
        too, ascending, n <= ``max_slots``: straight from the memory map. A stored int8 times the scale is the number;
        the scale is 1 for the other dtypes."""
        stop = self.slots if stop is None else stop
        for info, stored in self._segments:
            low, high = max(first, info.first_slot), min(stop, info.stop)
            for start in range(low, high, max_slots):
                end = min(high, start + max_slots)
                yield start, stored[start - info.first_slot : end - info.first_slot], info.scale

    def read_stored(self, slots: Int64) -> Iterator[tuple[slice, NDArray[Any], float]]:
        """(positions in ``slots``, their vectors [n, T, D] as stored, scale), a segment at a time; ``slots`` int64 [m]
        ascend. ValueError for an unknown slot."""
        bounds = np.searchsorted(slots, [*self._firsts.tolist(), self.slots]).tolist()
        if bounds[0] > 0 or bounds[-1] < len(slots):
            raise ValueError(f"got slots {slots[0]}..{slots[-1]}, of which some were never committed")
        for (info, stored), low, high in zip(self._segments, bounds[:-1], bounds[1:], strict=True):
            if low < high:
                if slots[high - 1] >= info.stop:
                    raise ValueError(f"got slot {slots[high - 1]}, which does not exist")
                yield slice(low, high), stored[slots[low:high] - info.first_slot], info.scale

    def read(self, slots: Int64) -> Float32:
        """Vectors of ``slots`` in the given order, float32 [n, T, D]. ValueError for an unknown slot."""
        slots = np.asarray(slots, np.int64)
        out = np.empty((len(slots), self.query_tokens, self.dims), np.float32)
        owner = np.searchsorted(self._firsts, slots, side="right") - 1
        for index in (np.flatnonzero(np.bincount(owner + 1)) - 1).tolist():  # np.unique imports numpy.ma: 40 ms
            info, stored = self._segments[index] if index >= 0 else (None, None)
            mine = owner == index
            if info is None or stored is None or (slots[mine] >= info.stop).any():
                raise ValueError(f"got slots {slots[mine][:5].tolist()}, of which some were never committed")
            out[mine] = decode(stored[slots[mine] - info.first_slot], self.shape, info.scale)
        return out

    def release_pages(self) -> None:
        """Let go of the mapped pages that were read so far; see `segments.release_pages`. 20 us."""
        for _, stored in self._segments:
            release_pages(stored)

    def live_mask(self) -> NDArray[np.bool_]:
        """bool [slots], True where a slot may be returned."""
        mask = np.zeros(self.slots, np.bool_)
        mask[self.live_slots] = True
        return mask

    def tie_keys(self) -> Int64:
        """int64 [slots]: the image id of each slot, -1 if none is live."""
        keys = np.full(self.slots, -1, np.int64)
        keys[self.live_slots] = self.image_ids
        return keys

    def slots_of_images(self, image_ids: Int64) -> Int64:
        """int64 [n], ascending: the slots of those of ``image_ids`` that are live. Of a million images half take 2 ms,
        few next to nothing; the first call of a view 5 ms."""
        if not (len(image_ids) and self.count):
            return np.empty(0, np.int64)
        places = self._places
        if places is None:
            return self.live_slots[np.isin(self.image_ids, image_ids)]
        if image_ids.min() < 0 or image_ids.max() >= len(places):
            image_ids = image_ids[(image_ids >= 0) & (image_ids < len(places))]
        found = places[image_ids]
        if len(found) < self.count // _FEW:
            found = np.sort(found[found >= 0])
            again = np.flatnonzero(found[1:] == found[:-1])
            return self.live_slots[np.delete(found, again) if len(again) else found]
        wanted = np.zeros(self.count + 1, np.bool_)
        wanted[found] = True  # -1, of no live image, is the last one
        return self.live_slots[wanted[:-1]]

    @cached_property
    def _places(self) -> NDArray[np.int32] | None:
        """int32: by image id, its place in ``image_ids``, -1 if it is not live; None where ids are too sparse for a
        table. 4 bytes an image."""
        most = int(self.image_ids.max())
        if most > _SPARSE * self.count:
            return None
        places = np.full(most + 1, -1, np.int32)
        places[self.image_ids] = np.arange(self.count, dtype=np.int32)
        return places

    def image_ids_of(self, slots: Int64) -> Int64:
        """int64 [n]: the image ids of ``slots``, -1 if none is live."""
        slots = np.asarray(slots, np.int64)
        if not self.count:
            return np.full(len(slots), -1, np.int64)
        at = np.searchsorted(self.live_slots, slots).clip(max=self.count - 1)
        return np.where(self.live_slots[at] == slots, self.image_ids[at], -1)
