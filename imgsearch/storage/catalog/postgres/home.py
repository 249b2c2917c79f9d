"""The database that a library's folder calls its own: found by ``catalog.json``, checked by the id in both."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from imgsearch.errors import LibraryMissing, LibraryUnsupported, StorageFull
from imgsearch.storage.catalog.postgres.address import RememberedCatalog, parse_address
from imgsearch.storage.catalog.postgres.catalog import PostgresCatalog


def remembered_catalog(path: Path, given: str, *, create: bool) -> PostgresCatalog:
    """The catalog that the file ``path`` remembers, or that the address ``given`` leads to; if that is the same
    database at another address, the file remembers the new one. Raises UsageError, LibraryUnsupported (another
    library's database), LibraryMissing (no library where one should be, unless ``create``), CatalogUnreachable."""
    known = RememberedCatalog.load(path) if path.is_file() else None
    address = parse_address(given or (known.url if known else ""))
    wanted = RememberedCatalog.new(address) if known is None else replace(known, url=address.url)
    catalog = PostgresCatalog(address, wanted.library_id, lambda: wanted.save(path))
    try:
        owned = _check_owner(catalog, path, create=create)
        if owned and known != wanted:
            with contextlib.suppress(StorageFull):
                wanted.save(path)
    except BaseException:
        catalog.close()
        raise
    return catalog


def _check_owner(catalog: PostgresCatalog, path: Path, *, create: bool) -> bool:
    """Whether the database is the library's own; False for an empty one."""
    owner = catalog.owner()
    if owner == catalog.library_id or (owner is None and create):
        return owner is not None
    if owner is None:
        raise LibraryMissing(
            f"{path.parent} keeps its catalog in {catalog.shown}, which holds no library",
            "restore the database from a backup, or name the right one with --catalog-url",
        )
    raise LibraryUnsupported(
        f"the database {catalog.shown} belongs to another library (id {owner}) than {path.parent} (id "
        f"{catalog.library_id})",
        "name another database with --catalog-url (make one: createdb NAME), or another folder with --library DIR",
    )
