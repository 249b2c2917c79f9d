"""Brings a finished library into the one form that depends on its contents alone."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from imgsearch.files import fsync_folder
from imgsearch.storage.catalog import words
from imgsearch.storage.disk_errors import disk_errors
from imgsearch.storage.layout import LibraryLayout


def seal_library(folder: Path) -> None:
    """Write the catalog anew, page after page, without its log, and make every file of the library durable. Two
    libraries that were filled by the same calls are equal then, byte for byte. Nobody may have the library open. Costs
    the catalog's size in disk, for a moment. Raises StorageFull, CatalogDamaged."""
    layout = LibraryLayout(folder)
    with disk_errors(layout.catalog):
        connection = sqlite3.connect(layout.catalog, isolation_level=None)
        with contextlib.closing(connection):
            words.register(connection)
            connection.execute("PRAGMA journal_mode=DELETE")  # the log's frames go into the file, the log goes
            connection.execute("VACUUM")
            connection.execute("PRAGMA journal_mode=WAL")  # the file keeps the setting; its log goes at the close
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                _sync(path)
        for path in sorted(folder.rglob("*")):
            if path.is_dir():
                fsync_folder(path)
        fsync_folder(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
