"""Writes files that a person names, whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from imgsearch import files
from imgsearch.errors import UsageError
from imgsearch.storage.disk_errors import disk_errors


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """A new file that replaces ``target`` when the block ends and its bytes are on the disk; after an error ``target``
    is unchanged. Raises UsageError if its folder does not exist or it is a folder itself, StorageFull."""
    folder = target.absolute().parent
    if not folder.is_dir() or target.is_dir():
        fault = f"{target} is a folder" if target.is_dir() else f"there is no folder {folder}"
        raise UsageError(f"{fault}, expected the name of a file to write", "name a file in a folder that there is")
    with disk_errors(target), files.replacing(target) as file:
        yield file
