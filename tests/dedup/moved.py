"""What an apply says of the files that it left."""

from __future__ import annotations

from pathlib import Path


def reasons(result):
    return {Path(left.path).name: left.reason for left in result.left}
