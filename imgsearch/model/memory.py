"""How many bytes are free, asked before a model is loaded. No torch."""

from __future__ import annotations

import os
from pathlib import Path

from imgsearch.errors import NotEnoughMemory

# Bytes above the weights that a load needs: one layer's copy, the libraries, a small batch.
_SPARE = 200_000_000


def available_bytes() -> int | None:
    """RAM that a process may still take: what the kernel calls available, within the container's limit. None where the
    system does not tell."""
    candidates = [value for value in (_meminfo_available(), _cgroup_available()) if value is not None]
    if candidates:
        return min(candidates)
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


def check_memory(needed_bytes: int, free_bytes: int | None, place: str, hint: str) -> None:
    """Raise NotEnoughMemory when weights of ``needed_bytes`` and some working space do not fit."""
    wanted = needed_bytes + _SPARE
    if free_bytes is not None and wanted > free_bytes:
        raise NotEnoughMemory(
            f"the model needs about {wanted / 1e9:.1f} GB of {place}, and {free_bytes / 1e9:.1f} GB are free",
            hint,
        )


def _meminfo_available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _cgroup_available() -> int | None:
    """Room under a version 2 control group's limit; its reclaimable page cache counts as free."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit = (folder / "memory.max").read_text(encoding="ascii").strip()
        if limit == "max":
            return None
        used = int((folder / "memory.current").read_text(encoding="ascii"))
        counters = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
        return int(limit) - used + int(counters.get("inactive_file", 0))
    except (OSError, ValueError):
        return None
