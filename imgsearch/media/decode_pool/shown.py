"""A process that reads everything known about an image file, for files from unknown sources."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from imgsearch.errors import MediaError
from imgsearch.media.decode_pool.jobs import Job
from imgsearch.media.decode_pool.pool import HardenedPool
from imgsearch.media.limits import machine_budget
from imgsearch.media.shown import ShownFile

_TASK = "imgsearch.media.shown:show_task"
_LIMIT_S = 60.0  # enough for an animation of 10,000 frames


class ShownPool:
    """Reads one file after another with `show_file`, in a process that starts with the first file: 0.3 s."""

    def __init__(self) -> None:
        self._pool = HardenedPool(_TASK, {}, workers=1, time_limit_s=_LIMIT_S, memory_bytes=machine_budget())

    def __enter__(self) -> ShownPool:
        return self

    def __exit__(self, *raised: Any) -> None:
        self._pool.__exit__(*raised)

    def read(self, path: Path) -> ShownFile | MediaError:
        """Everything known about a file. A MediaError is returned if there is no such file or if the process died over
        it."""
        ((_, outcome),) = self._pool.run([Job(os.fspath(path))], _read)
        return outcome


def _read(head: dict[str, Any], body: bytes) -> ShownFile:
    return ShownFile.from_json(head)
