"""What an apply says of the files that it left, and clones where the disk makes none."""

from __future__ import annotations

import os
from pathlib import Path

from imgsearch.dedup.quarantine.quarantine_file import clone


def reasons(result):
    return {Path(left.path).name: left.reason for left in result.left}


def clone_or_copy(source, target):
    """A clone (Btrfs, XFS); on other file systems what it does to the bytes."""
    try:
        clone(source, target)
    except OSError:
        os.ftruncate(target, 0)
        os.pwrite(target, os.pread(source, 1 << 24, 0), 0)
