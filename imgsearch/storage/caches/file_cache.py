"""Files by content hash in a folder with a budget, the common base of thumbnails and ViT features.

This is a cache: nothing depends on a file being there. Files appear whole (written beside, then renamed) and are not
fsynced: the reader detects a torn file, which a power cut may leave.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

from imgsearch.files import write_whole

_KEPT_SHARE = 0.9
"""An eviction leaves this share of the budget, so that it does not run again at every file."""


class FileCache:
    """One file a key, in ``folder``/first two letters/key + ``suffix``. Safe from any thread and process; never raises
    for disk errors, since a full or read-only disk must not stop a reader.

    ``budget_bytes``: if more lies in the folder, under any suffix, the least recently used go; None keeps all."""

    def __init__(self, folder: Path, suffix: str, budget_bytes: int | None) -> None:
        self.folder = folder
        self.budget_bytes = budget_bytes
        self._suffix = suffix
        self._size_bytes = -1  # not counted yet
        self._evicting = threading.Lock()

    def path(self, key: str) -> Path:
        """The place of ``key``, whether it is kept or not."""
        return self.folder / key[:2] / (key + self._suffix)

    def read(self, key: str) -> bytes | None:
        """The kept content, now the most recently used; None if there is none."""
        path = self.path(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return content

    def write(self, key: str, content: bytes) -> None:
        """Keep ``content``; makes room if the budget requires it. The first call counts the folder: 5 us a file."""
        if self.budget_bytes is not None and len(content) > self.budget_bytes:
            return
        with contextlib.suppress(OSError):
            path = self.path(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content, mode=0o600, durable=False)
            self._grow(len(content))

    def drop(self, key: str) -> None:
        """Remove ``key``, because its content is damaged."""
        with contextlib.suppress(OSError):
            self.path(key).unlink()

    def size_bytes(self) -> int:
        """What lies in the folder, under any suffix. 5 us a file."""
        return self._count()

    def _grow(self, size_bytes: int) -> None:
        if self.budget_bytes is None:
            return
        with self._evicting:
            self._size_bytes = self._count() if self._size_bytes < 0 else self._size_bytes + size_bytes
            if self._size_bytes > self.budget_bytes:
                self._evict(int(self.budget_bytes * _KEPT_SHARE))

    def _count(self) -> int:
        return sum(size for _, size, _ in self._kept())

    def _evict(self, target_bytes: int) -> None:
        """Remove the least recently used until ``target_bytes`` are left; reads the sizes again, since other processes
        add and remove too."""
        kept = sorted(self._kept())
        total = sum(size for _, size, _ in kept)
        for _, size, path in kept:
            if total <= target_bytes:
                break
            with contextlib.suppress(OSError):
                path.unlink()
            total -= size
        self._size_bytes = total

    def _kept(self) -> list[tuple[int, int, Path]]:
        """(last use in ns, bytes, path) of every file, including half-written ones of killed processes."""
        found = []
        for path in self.folder.glob("??/*"):
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime_ns, status.st_size, path))
        return found
