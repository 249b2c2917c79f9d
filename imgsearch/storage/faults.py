"""Named steps of every write, so that a test can kill the process at exactly one of them.

Without the environment variable a step costs one comparison. ``IMGSEARCH_CRASH_AT=segment-fsynced:3`` sends
SIGKILL to this process when it reaches that step for the third time: no handler, no ``finally``, no flush.
"""

from __future__ import annotations

import os
import signal

STEPS = (
    "library-folders",
    "library-migrated",
    "recovery-cut",
    "recovery-unlinked",
    "segment-created",
    "segment-written",
    "segment-fsynced",
    "directory-fsynced",
    "catalog-begun",
    "catalog-written",
    "catalog-committed",
    "compact-copied",
    "compact-fsynced",
    "compact-written",
    "compact-committed",
    "compact-unlinked",
    "snapshot-written",
    "snapshot-fsynced",
    "snapshot-renamed",
    "snapshot-named",
    "snapshot-recorded",
    "snapshot-committed",
    "snapshot-unlinked",
    "dedup-run-made",
    "dedup-intent-written",
    "dedup-substitute-made",
    "dedup-moved",
    "dedup-copied",
    "dedup-aside",
    "dedup-placed",
    "dedup-removed",
    "dedup-done-written",
    "dedup-substitute-aside",
    "dedup-copied-back",
    "dedup-returned",
    "dedup-returned-written",
    "dedup-purging",
    "dedup-purged",
)

_crash_at, _, _count = os.environ.get("IMGSEARCH_CRASH_AT", "").partition(":")
_remaining = int(_count) if _count.isdigit() else 1


def reached(step: str) -> None:
    """Say that ``step`` is done; kills the process with SIGKILL if the environment named it (see module)."""
    global _remaining
    if step != _crash_at:
        return
    _remaining -= 1
    if _remaining <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
