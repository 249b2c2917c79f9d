"""One hardened pool of decoding processes, shared by indexing and the search for duplicates.

`HardenedPool` runs one task in processes that a hostile file cannot use to do harm. `DecodePool` (facts, signature,
model pixels) and `SmallPool` (small images for viewing and comparing) are typed layers over it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgsearch.media.decode_pool.images import DecodeJob, DecodePool, Outcome
    from imgsearch.media.decode_pool.jobs import Job, JobResult
    from imgsearch.media.decode_pool.pool import HardenedPool
    from imgsearch.media.decode_pool.small import SmallJob, SmallPool, read_small

__all__ = [
    "DecodeJob",
    "DecodePool",
    "HardenedPool",
    "Job",
    "JobResult",
    "Outcome",
    "SmallJob",
    "SmallPool",
    "read_small",
]

_MODULES = {
    "JobResult": "jobs",
    "DecodeJob": "images",
    "DecodePool": "images",
    "HardenedPool": "pool",
    "Job": "jobs",
    "Outcome": "images",
    "SmallJob": "small",
    "SmallPool": "small",
    "read_small": "small",
}


def __getattr__(name: str) -> Any:
    # Imported on demand: a worker imports this package as a parent of its own module and does not need the pool.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
