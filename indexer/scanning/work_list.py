"""The files that a run must read, after its scans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from indexer.scanning.pending_files import PendingFile
from indexer.scanning.scan import Scan


@dataclass(slots=True)
class WorkList:
    """The work that follows from the scans."""

    scans: list[Scan]
    hashes_by_size: dict[int, set[str]] = field(default_factory=dict)
    missing_images: Counter[int] = field(default_factory=Counter)
    missing_sizes: set[int] = field(default_factory=set)
    repeated_sizes: frozenset[int] = frozenset()

    @property
    def count(self) -> int:
        return sum(len(scan.pending) for scan in self.scans)

    def files(self, *, suspects: bool) -> Iterator[PendingFile]:
        """The pending files that may be moved ones (a missing file had their size), or all others."""
        sizes = np.fromiter(self.missing_sizes, np.int64, len(self.missing_sizes))
        for scan in self.scans:
            mask = np.isin(scan.pending.sizes, sizes)
            for index in (mask if suspects else ~mask).nonzero()[0].tolist():
                yield scan.pending.at(index)

    def probably_new(self) -> int:
        """Pending files of a size that no known content has."""
        known = np.fromiter(self.hashes_by_size, np.int64, len(self.hashes_by_size))
        return sum(int((~np.isin(scan.pending.sizes, known)).sum()) for scan in self.scans)
