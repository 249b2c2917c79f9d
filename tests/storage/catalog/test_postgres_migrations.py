"""Catalogs in PostgreSQL that an older program made."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imgsearch.errors import LibraryUnsupported
from imgsearch.storage import open_store, verify
from imgsearch.storage.catalog.revisions import HEAD
from imgsearch.storage.layout import LibraryLayout

pytest.importorskip("psycopg")

from imgsearch.storage.catalog.postgres import first_tables
from imgsearch.storage.catalog.postgres.address import RememberedCatalog, parse_address
from imgsearch.storage.catalog.postgres.connection import connect

CATALOG_KINDS = ("postgresql",)
_OF_MODEL = ("fingerprint", "recipe", "dtype", "query_tokens", "dims")


@pytest.fixture
def old_library(tmp_path: Path, kit: Any, new_catalog: Callable[[], str]) -> LibraryLayout:
    """A library whose catalog has the first tables that there were."""
    library = LibraryLayout(tmp_path / "library")
    library.make_folders()
    address = parse_address(new_catalog())
    known = RememberedCatalog.new(address)
    known.save(library.remembered)
    with contextlib.closing(connect(address)) as connection:
        connection.execute("; ".join(first_tables.STATEMENTS).encode())
        connection.execute("INSERT INTO library_home VALUES (1, %s, %s)", (known.library_id, b"/library"))
        connection.execute(
            """INSERT INTO library (id, format_version, created_at, vector_dtype, next_slot, generation, model_name,
            model_fingerprint, model_recipe, model_dtype, query_tokens, dims)
            VALUES (1, 1, '', 'float16', 0, 0, %s, %s, %s, %s, %s, %s)""",
            (kit.model.name, *(getattr(kit.model, name) for name in _OF_MODEL)),
        )
        connection.commit()
    return library


def test_catalog_of_an_older_program_is_brought_up_to_date(old_library: LibraryLayout, kit: Any, photos: Path) -> None:
    with open_store(old_library.folder) as store:
        assert store.catalog.revision() == HEAD != first_tables.REVISION
        kit.fill(store, photos, [1])
        assert store.view().count == 1 and verify(store) == []


def test_what_may_not_be_migrated_or_is_newer_is_refused(old_library: LibraryLayout, postgres: Any) -> None:
    with pytest.raises(LibraryUnsupported, match="has to be brought up to date first"):
        open_store(old_library.folder, migrate=False)
    with open_store(old_library.folder) as store:
        postgres.run_sql("UPDATE alembic_version SET version_num = '9999'", url=store.catalog.url)
    with pytest.raises(LibraryUnsupported, match="has schema 9999"):
        open_store(old_library.folder)
