"""Files of a library that lie inside tar archives, where a job found them (docs/jobs.md): a walk does not meet them,
and they are there as long as their archive is."""

from __future__ import annotations

import os
import re

_INSIDE = re.compile(r"\.tar/", re.IGNORECASE)


class Archived:
    """Asks the disk once an archive."""

    def __init__(self) -> None:
        self._known: dict[str, bool] = {}

    def holds(self, path: str) -> bool:
        """Whether ``path`` names a member of an archive that is a file on the disk."""
        for found in _INSIDE.finditer(path):
            archive = path[: found.end() - 1]
            if archive not in self._known:
                self._known[archive] = os.path.isfile(archive)  # noqa: PTH113
            if self._known[archive]:
                return True
        return False
