"""Fixtures of several rooms: the small LAVIS checkpoint, and a real library of LAVIS's twelve pictures made with it.

Rooms are imported inside, so that the tests of one room run while another is broken.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

LAVIS = Path(__file__).parent / "golden" / "lavis"


FIRST = ("web", "training", "cli", "indexer")
"""Folders whose files take longest."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Processes take a file at a time, those with slow tests first: one begun last keeps the others waiting."""
    if hasattr(config, "workerinput"):
        here = Path(__file__).parent
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        soon = {path for path in {item.path for item in items} if path.relative_to(here).parts[0] in FIRST}
        items.sort(key=lambda item: (item.path not in slow, item.path not in soon))


@pytest.fixture(scope="session", autouse=True)
def new_catalogs_are_quick() -> Iterator[Any]:
    """What the first empty catalog of a process has become is made of the next ones at once: the migrations take 40 of
    the 70 ms of a new library, their statements without alembic 8, what is left of them 4. Yields the way that is not
    quick."""
    try:
        from imgsearch.storage.catalog.database import Catalog
    except ImportError:
        yield None
        return
    migrate, made = Catalog.migrate, list[tuple[str, Any]]()

    def quick(catalog: Catalog, connection: Any) -> None:
        driver = connection.connection.driver_connection
        if driver.execute("SELECT 1 FROM sqlite_master").fetchone():
            migrate(catalog, connection)
        elif made:
            for statement, given in made:
                driver.execute(statement, given)
        else:
            migrate(catalog, connection)
            made.extend(_whole_schema(driver))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Catalog, "migrate", quick)
        yield migrate


def _whole_schema(driver: Any) -> Iterator[tuple[str, Any]]:
    """Statements that make the tables of a SQLite database and their rows. A virtual table makes its own tables. The
    last one is for those who compare files: the header counts the changes of the schema."""
    parts = driver.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
    virtual = tuple(f"{name}_" for _, name, sql in parts if sql.startswith("CREATE VIRTUAL TABLE"))
    for kind, name, sql in parts:
        if kind == "table" and name.startswith(("sqlite_", *virtual)):
            continue
        yield sql, ()
        if kind == "table" and f"{name}_" not in virtual:
            for row in driver.execute(f"SELECT * FROM {name}").fetchall():
                yield f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", tuple(row)
    yield f"PRAGMA schema_version = {driver.execute('PRAGMA schema_version').fetchone()[0]}", ()


@pytest.fixture(scope="session", autouse=True)
def forked_workers() -> Iterator[Any]:
    """Decode workers are forked from one warm process a test process, see tests/forked/nursery.py."""
    sys.path.append(str(Path(__file__).parent / "forked"))
    try:
        from nursery import WORKER, Nursery

        from imgsearch.media.decode_pool import process
    except ImportError:
        yield None
        return
    nursery = Nursery(WORKER)
    with pytest.MonkeyPatch.context() as patch:
        if hasattr(os, "fork"):
            patch.setattr(process, "subprocess", nursery)
        yield nursery
    nursery.close()


@pytest.fixture(scope="session")
def forked_commands(forked_workers: Any) -> Iterator[Any]:
    """Its ``Popen`` forks `python -m imgsearch` from a warm process: for tests of what runs leave, not of starts."""
    made = type(forked_workers)("imgsearch")
    yield made
    made.close()


@pytest.fixture
def real_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode workers start as they do outside tests."""
    monkeypatch.setattr("imgsearch.media.decode_pool.process.subprocess", subprocess)


@pytest.fixture(scope="session")
def tiny() -> Any:
    """The model; float32 on the CPU. Never changed by a test."""
    from imgsearch.model import load_model

    return load_model(LAVIS / "blip2_tiny.pth", device="cpu", dtype="float32")


@pytest.fixture(scope="session")
def tiny_directory(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights as an ordinary model directory, which is read without torch: for programs that tests start."""
    from imgsearch.model import export_directory

    folder = tmp_path_factory.mktemp("tiny") / "model"
    export_directory(tiny, folder)
    return folder


@dataclass
class Library:
    """A library under ``folder``/library over the pictures in ``folder``/photos."""

    folder: Path
    model: Any
    store: Any

    @property
    def photos(self) -> Path:
        return self.folder / "photos"

    def add(self, names: Sequence[str]) -> None:
        """Index the pictures ``names`` of the photos folder as one committed batch."""
        from imgsearch.media.decode import decode_file
        from imgsearch.storage import EmbeddedBatch, FilePlace, writing

        decoded = [decode_file(self.photos / name, self.model.image_size) for name in names]
        pixels = self.model.preprocess_arrays(np.stack([one.pixels for one in decoded]))
        vectors = np.asarray(self.model.embed_images(pixels))
        with writing(self.store, wait_s=5.0) as writer:
            root = writer.add_root(self.photos)
            places = [
                [FilePlace(root.root_id, name, one.facts.size_bytes, one.mtime_ns)]
                for name, one in zip(names, decoded, strict=True)
            ]
            with writer.transaction() as transaction:
                transaction.add(EmbeddedBatch([one.facts for one in decoded], vectors, places))
                transaction.commit()

    def remove(self, names: Sequence[str]) -> None:
        from imgsearch.storage import writing

        with writing(self.store, wait_s=5.0) as writer:
            root = writer.add_root(self.photos)
            with writer.transaction() as transaction:
                transaction.remove_files(root.root_id, names)
                transaction.commit()

    def names(self, count: int = 12) -> list[str]:
        return [f"scene{number:02d}.png" for number in range(count)]


@pytest.fixture
def library(tiny: Any, tmp_path: Path) -> Iterator[Library]:
    from imgsearch.storage import create_store, open_store

    (tmp_path / "photos").mkdir()
    for picture in (LAVIS / "images").iterdir():
        shutil.copyfile(picture, tmp_path / "photos" / picture.name)
    create_store(tmp_path / "library", tiny.model_id).close()
    with open_store(tmp_path / "library") as store:
        yield Library(tmp_path, tiny, store)
