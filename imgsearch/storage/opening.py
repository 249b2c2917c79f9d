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
from imgsearch.storage.catalog.dialects.contract import CatalogAccess
from imgsearch.storage.catalog.revisions import FORMAT_VERSION, HEAD
from imgsearch.storage.layout import LibraryLayout, refuse_network_file_system
from imgsearch.storage.store import Store
from imgsearch.storage.vectors.segments import VectorShape

_CREATE_WAIT_S = 30.0


def library_exists(path: Path) -> bool:
    """True if ``path`` holds a catalog, or says where it is, finished or not."""
    layout = LibraryLayout(path)
    return layout.catalog.is_file() or layout.remembered.is_file()


def open_store(path: Path, *, migrate: bool = True, catalog_url: str = "") -> Store:
    """Open the library in the folder ``path``. A schema of an older program is migrated under the writer lock, or,
    without ``migrate`` or if nothing can be written, in a copy that is read in its place.

    ``catalog_url``: where its catalog in a database is now, in place of the address that the folder remembers.
    Raises LibraryMissing, LibraryUnsupported (newer program, network file system), LibraryBusy (only to migrate),
    CatalogUnreachable.
    """
    layout = LibraryLayout(Path(os.path.realpath(path)))
    if not library_exists(layout.folder):
        raise LibraryMissing(
            f"there is no library in {path}",
            "make one with `imgsearch index FOLDER`, or name another with --library DIR",
        )
    refuse_network_file_system(layout.folder)
    catalog = _catalog_of(layout, catalog_url)
    try:
        return _open(layout, catalog, migrate=migrate)
    except BaseException:
        catalog.close()
        raise


def create_store(path: Path, model: ModelId, *, dtype: str = "float16", catalog_url: str = "") -> Store:
    """Make a library for ``model`` in the folder ``path``, or open the existing one.

    ``dtype``: how vectors are stored, "float16", "float32" or "int8"; an existing library keeps its own.
    ``catalog_url``: make the catalog in that PostgreSQL database; an existing library's folder remembers its own.
    Raises ModelMismatch for a library of another model, LibraryUnsupported, SegmentDamaged (vectors without
    a catalog), StorageFull, CatalogUnreachable.
    """
    VectorShape(dtype, model.query_tokens, model.dims)
    layout = LibraryLayout(Path(os.path.realpath(path)))
    refuse_network_file_system(layout.folder)
    if not library_exists(layout.folder) or _unfinished(layout, catalog_url):
        layout.make_folders()
        with writer_lock(layout.lock, wait_s=_CREATE_WAIT_S):
            _create(layout, model, dtype, catalog_url)
    store = open_store(layout.folder, catalog_url=catalog_url)
    try:
        store.require_model(model)
    except ModelMismatch:
        store.close()
        raise
    return store


def _catalog_of(layout: LibraryLayout, catalog_url: str, *, create: bool = False) -> CatalogAccess:
    """The catalog in the folder, or the one in a database that the folder remembers or ``catalog_url`` names."""
    if not catalog_url and not layout.remembered.is_file():
        return Catalog(layout.catalog, create=create)
    if layout.catalog.is_file() and not _moved(layout):
        raise LibraryUnsupported(
            f"{layout.folder} keeps its catalog in {layout.catalog.name}, and a database elsewhere is named too",
            f"leave --catalog-url out; `imgsearch catalog move --to ADDRESS` moves it there; if "
            f"{layout.remembered.name} lies there, one of the two files belongs elsewhere",
        )
    from imgsearch.storage.catalog.postgres.home import remembered_catalog

    return remembered_catalog(layout.remembered, catalog_url, create=create)


def _moved(layout: LibraryLayout) -> bool:
    """Whether a move of the catalog was killed between two steps, so that the file beside the address does not count
    (see `upkeep.catalog_move`)."""
    if not layout.remembered.is_file():
        return False
    from imgsearch.storage.catalog.postgres.address import RememberedCatalog

    return RememberedCatalog.load(layout.remembered).instead_of_file


def _unfinished(layout: LibraryLayout, catalog_url: str) -> bool:
    with contextlib.closing(_catalog_of(layout, catalog_url, create=True)) as catalog:
        return catalog.revision() is None


def _create(layout: LibraryLayout, model: ModelId, dtype: str, catalog_url: str) -> None:
    from sqlalchemy import insert

    from imgsearch.storage.catalog import schema

    layout.refuse_lost_catalog()
    with contextlib.closing(_catalog_of(layout, catalog_url, create=True)) as catalog:
        catalog.prepare()
        if catalog.revision() is not None:
            return  # another process was faster
        with catalog.exclusive(wait_s=_CREATE_WAIT_S), catalog.write() as connection:
            catalog.migrate(connection)
            catalog.settle_in(connection, layout.folder)
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


def _open(layout: LibraryLayout, catalog: CatalogAccess, *, migrate: bool) -> Store:
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


def _migrate(layout: LibraryLayout, catalog: CatalogAccess) -> None:
    """Migrates in place, or, if nothing can be written, in a copy that is read in its place."""
    try:
        with writer_lock(layout.lock), catalog.exclusive(), catalog.write() as connection:
            catalog.migrate(connection)
    except StorageFull:
        catalog.migrate_copy()
