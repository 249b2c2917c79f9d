"""Features of candidates on three floors: the accelerator's memory, RAM, and the library's files."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from cachetools import LRUCache

from imgsearch.model.contract import Array
from imgsearch.model.memory import available_bytes
from imgsearch.search.features.stored import FeatureSource, ImageSource

_RAM_SHARE, _RAM_MOST = 0.125, 16_000_000_000
"""Of the RAM that is free when the first picture leaves the device, and at most."""


@runtime_checkable
class HoldsImages(Protocol):
    """A model that keeps features where it computes, as `imgsearch.model.runtimes.torch.held` does."""

    @property
    def held_bytes(self) -> int:
        """Device memory that they may take."""
        ...

    def hold(self, steps: Any, scales: Any) -> Any:
        """int8 [N, W] and float32 [N] -> something with ``size_bytes`` and ``in_ram()``."""
        ...

    def bring(self, held: Any) -> Any:
        """What ``in_ram`` gave, on the device again."""
        ...

    def match_held(self, texts: Sequence[str], held: Sequence[Any]) -> Array:
        """Text i with held image i -> float32 [K, 2]."""
        ...


class HeldImages:
    """Held features by content, the least recently used down a floor when their budget is full. Safe between
    threads."""

    def __init__(
        self, model: HoldsImages, features: FeatureSource, device_bytes: int = -1, ram_bytes: int = -1
    ) -> None:
        """Budgets of -1: by what is free."""
        self._model, self._features = model, features
        self._lock = threading.Lock()
        self._ram_bytes = ram_bytes
        self._ram: LRUCache[str, Any] | None = None
        budget = model.held_bytes if device_bytes < 0 else device_bytes
        self._device = _Floor(budget, self._down)

    @property
    def size_bytes(self) -> int:
        """Memory that they take on the device and in RAM."""
        return int(self._device.currsize) + (0 if self._ram is None else int(self._ram.currsize))

    def get(self, sources: Sequence[ImageSource]) -> tuple[dict[str, Any], dict[str, str]]:
        """The held features of each readable image, and the reason for each unreadable one, by content. Images on no
        floor are read, or decoded and encoded, together."""
        found: dict[str, Any] = {}
        missing: dict[str, ImageSource] = {}
        with self._lock:
            for source in sources:
                if source.key in found:
                    continue
                held = self._device.get(source.key)
                if held is None and self._ram is not None and source.key in self._ram:
                    held = self._model.bring(self._ram.pop(source.key))
                    self._put(source.key, held)
                if held is None:
                    missing[source.key] = source
                else:
                    found[source.key] = held
        failed = self._read(missing, found)
        return found, failed

    def _read(self, missing: dict[str, ImageSource], found: dict[str, Any]) -> dict[str, str]:
        if not missing:
            return {}
        read, failed = self._features.quantised(list(missing.values()))
        reasons = iter(failed)
        gone: dict[str, str] = {}
        for key, quantised in zip(missing, read, strict=True):
            if quantised is None:
                gone[key] = next(reasons)
                continue
            found[key] = self._model.hold(quantised.steps, quantised.scales)
            with self._lock:
                self._put(key, found[key])
        return gone

    def _put(self, key: str, held: Any) -> None:
        if held.size_bytes <= self._device.maxsize:
            self._device[key] = held
        else:
            self._down(key, held)

    def _down(self, key: str, held: Any) -> None:
        if self._ram is None:
            most = min(_RAM_MOST, int(_RAM_SHARE * (available_bytes() or 0)))
            self._ram = LRUCache(most if self._ram_bytes < 0 else self._ram_bytes, getsizeof=_size)
        if held.size_bytes <= self._ram.maxsize:
            self._ram[key] = held.in_ram()


class _Floor(LRUCache[str, Any]):
    """An LRU that hands on what leaves it."""

    def __init__(self, budget_bytes: int, leaves: Callable[[str, Any], None]) -> None:
        super().__init__(budget_bytes, getsizeof=_size)
        self._leaves = leaves

    def popitem(self) -> tuple[str, Any]:
        key, held = super().popitem()
        self._leaves(key, held)
        return key, held


def _size(held: Any) -> int:
    return int(held.size_bytes)


def held_images(model: Any, features: FeatureSource) -> HeldImages | None:
    """For a model that computes on an accelerator and can hold features there; else None."""
    if model.profile.on_cpu or not isinstance(model, HoldsImages):
        return None
    return HeldImages(model, features)
