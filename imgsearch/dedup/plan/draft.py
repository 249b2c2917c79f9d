"""Files that a person names, written whole or not at all."""

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
    """A new file that takes the place of ``target`` once the block is left and its bytes are on the disk; after an
    error ``target`` is as it was. Raises UsageError where it lies in no folder or is one, StorageFull."""
    folder = target.absolute().parent
    if not folder.is_dir() or target.is_dir():
        fault = f"{target} is a folder" if target.is_dir() else f"there is no folder {folder}"
        raise UsageError(f"{fault}, expected the name of a file to write", "name a file in a folder that there is")
    with disk_errors(target), files.replacing(target) as file:
        yield file
