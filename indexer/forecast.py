"""Forecasts how long a run will take and how much disk it needs, before it has taken long."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from imgsearch.errors import StorageFull
from imgsearch.records import ModelId
from imgsearch.wording import counted

# Catalog with its indexes: 2.4 KB an image and its file, 1.5 of it the signature, on a library of 10,000 drawn scenes
# with names of 25 characters; the log (WAL) and longer paths come on top.
_CATALOG_BYTES = 3072
_RESERVE_BYTES = 64 * 2**20


def bytes_for(images: int, model: ModelId, dtype: str) -> int:
    """Bytes that ``images`` new contents take in a library of that model and stored dtype."""
    return images * (model.query_tokens * model.dims * np.dtype(dtype).itemsize + _CATALOG_BYTES)


def free_bytes(folder: Path) -> int:
    """Free space for this user where ``folder`` is, or will be."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def require_space(images: int, model: ModelId, dtype: str, folder: Path) -> None:
    """Raise StorageFull if ``images`` new contents will not fit, before the first hour is spent."""
    needed, free = bytes_for(images, model, dtype) + _RESERVE_BYTES, free_bytes(folder)
    if needed > free:
        raise StorageFull(
            f"{images:,} new pictures need about {size_text(needed)} in {folder}, and {size_text(free)} is free there",
            f"free {size_text(needed - free)}, or put the library on another disk with --library DIR",
        )


def forecast(images: int, seconds_each: float, model: ModelId, dtype: str, folder: Path) -> str:
    """One sentence for the person: "500,000 new pictures at 4.1 s each: about 24 days; 9.7 GB of disk (80 GB free)"."""
    each = f"{seconds_each:.1f} s" if seconds_each >= 1 else f"{seconds_each * 1000:.0f} ms"
    disk = size_text(bytes_for(images, model, dtype))
    return (
        f"{counted(images, 'new picture')} at {each} each: about {time_text(images * seconds_each)}; "
        f"{disk} of disk ({size_text(free_bytes(folder))} free)"
    )


class Forecast:
    """Gives the forecast once it can be known: from the first batch if encoding takes most of the time, else from
    the wall clock once the images decoded in advance are used up."""

    _SLOW_S = 0.5  # an image, from which decoding (about 0.05 s) is small beside it

    def __init__(self, images: int, decoded_ahead: int, say: Callable[[float], None]) -> None:
        self._images = images
        self._warm_up = decoded_ahead
        self._say: Callable[[float], None] | None = say
        self._done = 0
        self._warm: tuple[int, float] | None = None

    def measured(self, images: int, seconds: float) -> None:
        """One batch has been encoded."""
        now = time.monotonic()
        self._done += images
        if self._say is None or self._done >= self._images:
            return
        if seconds / images >= self._SLOW_S:
            self._tell(seconds / images)
        elif self._warm is None:
            if self._done >= self._warm_up:
                self._warm = (self._done, now)
        elif self._done >= self._warm[0] + self._warm_up / 2:
            self._tell((now - self._warm[1]) / (self._done - self._warm[0]))

    def _tell(self, seconds_each: float) -> None:
        if self._say is not None:
            self._say(seconds_each)
        self._say = None


def time_text(seconds: float) -> str:
    """A duration in words as people say it."""
    for unit, length, limit in (("seconds", 1, 90), ("minutes", 60, 5400), ("hours", 3600, 172_800)):
        if seconds < limit:
            count = max(1, round(seconds / length))
            return f"{count} {unit if count > 1 else unit[:-1]}"
    return f"{round(seconds / 86_400)} days"


def size_text(size_bytes: float) -> str:
    """Decimal units, two figures."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if size_bytes >= 10 or unit == "bytes" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"
