"""Opens and makes libraries. An ordinary open loads no SQLAlchemy; making and migrating one do."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from imgsearch.errors import LibraryMissing, LibraryUnsupported, ModelMismatch, StorageFull
from imgsearch.files import reached, writer_lock
from imgsearch.records import ModelId
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.catalog.database import Catalog, check_revision, utc_now
from imgsearch.storage.catalog.revisions import FORMAT_VERSION, HEAD
from imgsearch.storage.layout import LibraryLayout, refuse_network_file_system
from imgsearch.storage.store import Store
from imgsearch.storage.vectors.segments import VectorShape

_CREATE_WAIT_S = 30.0


def library_exists(path: Path) -> bool:
    """True if ``path`` holds a catalog, finished or not."""
    return LibraryLayout(path).catalog.is_file()


def open_store(path: Path, *, migrate: bool = True) -> Store:
    """Open the library in the folder ``path``. A schema of an older program is migrated under the writer lock, or,
    without ``migrate`` or if nothing can be written, in a copy that is read in its place.

    Raises LibraryMissing, LibraryUnsupported (newer program, network file system), LibraryBusy (only to migrate).
    """
    layout = LibraryLayout(Path(os.path.realpath(path)))
    if not layout.catalog.is_file():
        raise LibraryMissing(
            f"there is no library in {path}",
            "make one with `imgsearch index FOLDER`, or name another with --library DIR",
        )
    refuse_network_file_system(layout.folder)
    catalog = Catalog(layout.catalog)
    try:
        return _open(layout, catalog, migrate=migrate)
    except BaseException:
        catalog.close()
        raise


def create_store(path: Path, model: ModelId, *, dtype: str = "float16") -> Store:
    """Make a library for ``model`` in the folder ``path``, or open the existing one.

    ``dtype``: how vectors are stored, "float16", "float32" or "int8"; an existing library keeps its own.
    Raises ModelMismatch for a library of another model, LibraryUnsupported, SegmentDamaged (vectors without
    a catalog), StorageFull.
    """
    VectorShape(dtype, model.query_tokens, model.dims)
    layout = LibraryLayout(Path(os.path.realpath(path)))
    refuse_network_file_system(layout.folder)
    if not layout.catalog.is_file() or _unfinished(layout):
        layout.make_folders()
        with writer_lock(layout.lock, wait_s=_CREATE_WAIT_S):
            _create(layout, model, dtype)
    store = open_store(layout.folder)
    try:
        store.require_model(model)
    except ModelMismatch:
        store.close()
        raise
    return store


def _unfinished(layout: LibraryLayout) -> bool:
    with contextlib.closing(Catalog(layout.catalog)) as catalog:
        return catalog.revision() is None


def _create(layout: LibraryLayout, model: ModelId, dtype: str) -> None:
    from sqlalchemy import insert

    from imgsearch.storage.catalog import schema

    layout.refuse_lost_catalog()
    with contextlib.closing(Catalog(layout.catalog, create=True)) as catalog:
        catalog.make_wal()
        if catalog.revision() is not None:
            return  # another process was faster
        with catalog.write() as connection:
            catalog.migrate(connection)
            reached("library-migrated")
            row = {
                "id": 1,
                "format_version": FORMAT_VERSION,
                "created_at": utc_now(),
                "model_name": model.name,
                "model_fingerprint": model.fingerprint,
                "model_recipe": model.recipe,
                "model_dtype": model.dtype,
                "query_tokens": model.query_tokens,
                "dims": model.dims,
                "vector_dtype": dtype,
                "next_slot": 0,
                "generation": 0,
            }
            connection.execute(insert(schema.library).values(row))


def _open(layout: LibraryLayout, catalog: Catalog, *, migrate: bool) -> Store:
    revision = catalog.revision()
    check_revision(revision, layout.folder)
    if revision != HEAD:
        if migrate:
            _migrate(layout, catalog)
        else:
            catalog.migrate_copy()
    with catalog.look() as connection:
        row = lookups.library_row(connection)
    if row is None:
        raise LibraryMissing(f"{layout.folder} holds no finished library", "make one with `imgsearch index FOLDER`")
    if row.format_version > FORMAT_VERSION:
        raise LibraryUnsupported(
            f"the library {layout.folder} has format {row.format_version}, this program reads up to {FORMAT_VERSION}",
            "install a newer imgsearch, or name another library with --library DIR",
        )
    return Store(layout, catalog, row.model, row.vector_dtype)


def _migrate(layout: LibraryLayout, catalog: Catalog) -> None:
    """Migrates in place, or, if nothing can be written, in a copy that is read in its place."""
    try:
        with writer_lock(layout.lock), catalog.write() as connection:
            catalog.migrate(connection)
    except StorageFull:
        catalog.migrate_copy()
