"""A catalog moves into PostgreSQL and back: with every row, at once or not at all, and while nobody else uses it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgsearch import files
from imgsearch.cli import main
from imgsearch.errors import CatalogDamaged, LibraryBusy, LibraryMissing, LibraryUnsupported, UsageError
from imgsearch.records import SIGNATURE_BYTES, Clause, FileFacts, Filters, Word
from imgsearch.storage import FailedFile, Store, StoredCaption, StoredText, create_store, open_store, verify, writing
from imgsearch.storage.beside import add_beside, begin_beside
from imgsearch.storage.catalog import schema
from imgsearch.storage.catalog.facts import FileDate, SidecarFacts
from imgsearch.storage.collecting import Collecting
from imgsearch.storage.column_files import build_columns
from imgsearch.storage.upkeep import catalog_move, table_copies
from imgsearch.storage.upkeep.catalog_move import move_catalog

pytest.importorskip("psycopg")

CATALOG_KINDS = ("postgresql",)
ASKED = [
    Filters((Clause("name", "caf"),)),
    Filters((Clause("folder", "trip"),)),
    Filters((Clause("tag", "moon"),)),
    Filters((Clause("caption", "boat"),)),
    Filters((Clause("text", "exit"),)),
    Filters((Clause("year", (2015, 2015)),)),
    Filters((Clause("is", "favourite"),)),
]


@pytest.fixture
def url(new_catalog: Callable[[], str]) -> str:
    return new_catalog()


@pytest.fixture(scope="module")
def filled() -> dict[str, Path]:
    return {}


@pytest.fixture
def library(filled: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, kit: Any) -> Path:
    """Rows in every table, odd bytes among them."""
    if not filled:
        folder = tmp_path_factory.mktemp("filled")
        with create_store(folder / "library", kit.model) as store:
            fill_every_table(store, kit, folder / "photos")
            filled["library"] = store.path
    shutil.copytree(filled["library"], tmp_path / "library")
    return tmp_path / "library"


def fill_every_table(store: Store, kit: Any, photos: Path) -> None:
    with writing(store) as writer:
        root = writer.add_root(photos).root_id
        names = ["trip/Café.jpg", os.fsdecode(b"odd \xff.jpg"), "c.jpg", "gone.jpg", "last.jpg"]
        batch = kit.batch(root, [1, 2, 3, 4, 5], names)
        facts = [replace(batch.facts[0], taken_at="2015-07-01", latitude=1 / 3, longitude=-2e-17), *batch.facts[1:]]
        signatures = [bytes([n]) * SIGNATURE_BYTES for n in range(5)]
        words = [(Word("tag", "moon", "xmp"), Word("title", "a\0b", "exif")), (), (), (), ()]
        with writer.transaction() as tx:
            tx.add(replace(batch, facts=facts, signatures=signatures, words=words))
            says = FileFacts(rating=4, rating_source="sidecar", words=(Word("person", "Ada", "sidecar"),))
            tx.facts.sidecars.append(SidecarFacts(FileDate(root, "c.jpg", None, None), 77, says))
            tx.record_failures([FailedFile(root, "bad.jpg", "decode", "cut", True, 9, 9)])
            tx.record_event("test", {"a": 1})
            tx.commit()
        with writer.transaction() as tx:
            tx.remove_files(root, ["gone.jpg", "last.jpg"])
            tx.commit()
        writer.set_calibration("{}")
        writer.write_captions([StoredCaption(1, "a boat", 0.1, True, "g", "f", "float32", "", "{}")])
        writer.write_texts([StoredText(2, (), "e", "f", ("exit",))])
    Collecting(store).create("Rome", [1, 2])
    Collecting(store).mark("favourite", [2])
    with begin_beside(store, replace(kit.model, fingerprint="cd" * 32)) as other:
        add_beside(other, {1: np.ones((2, 4), np.float32)})
    build_columns(store)
    with writing(store) as writer, writer.transaction() as tx:
        tx.facts.images[2] = FileFacts(rating=3, rating_source="exif")  # a change that the columns have to know of
        tx.commit()


def content(store: Store, kit: Any) -> tuple[Any, ...]:
    """What a person can see of a library, read without the code of the move."""
    found = [store.matching_images(each).tolist() for each in ASKED]
    with store.catalog.look() as connection:
        rows = {
            table.name: sorted(
                repr([_plain(value) for value in row])
                for row in connection.execute(f"SELECT {', '.join(c.name for c in table.columns)} FROM {table.name}")
            )
            for table in schema.metadata.sorted_tables
        }
    return found, rows, kit.content(store), store.generation()


def _plain(value: Any) -> Any:
    """SQLite has numbers for truths; PostgreSQL has no letter 0."""
    value = value.replace("\0", "\ufffd") if isinstance(value, str) else value
    return int(value) if isinstance(value, bool) else value


def test_catalog_moves_there_and_back_with_every_row(library: Path, kit: Any, photos: Path, url: str) -> None:
    with open_store(library) as store:
        before = content(store, kit)
        assert [name for name, rows in before[1].items() if not rows] == ["snapshots"] and all(before[0])
    done = move_catalog(library, url)
    assert done.tables["images"].rows == 5 and done.before == str(library / "catalog.before-move.db")
    assert {path.name for path in library.glob("catalog*")} == {"catalog.json", "catalog.before-move.db"}
    with open_store(library) as store:
        assert store.catalog.url and content(store, kit) == before and verify(store) == []
        kit.fill(store, photos, [6])  # ids go on behind the last that was ever used
        assert store.image_of(kit.facts(6).content_hash) == 6
        later = content(store, kit)
    assert move_catalog(library, url).before == ""
    back = move_catalog(library, "")
    assert back.now == str(library / "catalog.db") and not (library / "catalog.json").exists()
    with open_store(library) as store:
        assert not store.catalog.url and content(store, kit) == later and verify(store) == []
        kit.fill(store, photos, [7])
        assert store.image_of(kit.facts(7).content_hash) == 7
    assert move_catalog(library, "").before == ""


def test_command_moves_and_no_id_is_used_again(
    library: Path, kit: Any, photos: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The newest image is gone from the tables when the catalog moves, its number is not free for that."""
    from imgsearch.storage import compact

    with open_store(library) as store:
        compact(store)
        assert 5 not in [record.image_id for record in store.iter_images()]
    assert main(["catalog", "move", "--library", str(library), "--to", url, "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["tables"]["files"]["rows"] == 3
    assert main(["catalog", "move", "--library", str(library), "--to", "sqlite", "--quiet"]) == 0
    assert f"the catalog is in {library / 'catalog.db'} now" in capsys.readouterr().out
    with sqlite3.connect(library / "catalog.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with open_store(library) as store:
        kit.fill(store, photos, [8])
        assert store.image_of(kit.facts(8).content_hash) == 6


def test_library_in_use_is_not_moved(library: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_move, "_BUSY_MS", 300)
    with open_store(library) as reader:
        reader.generation()
        with pytest.raises(LibraryBusy, match=r"has .*catalog\.db open"):
            move_catalog(library, url)
    with open_store(library) as store, writing(store), pytest.raises(LibraryBusy):
        move_catalog(library, url)
    move_catalog(library, url)
    with open_store(library) as reader:
        reader.generation()
        with pytest.raises(LibraryBusy, match="open elsewhere"):
            move_catalog(library, "")


def test_place_that_is_taken_missing_or_wrong_is_refused(
    library: Path, kit: Any, url: str, new_catalog: Callable[[], str], tmp_path: Path
) -> None:
    with create_store(tmp_path / "other", kit.model, catalog_url=url):
        pass
    with pytest.raises(LibraryUnsupported, match="holds a library already"):
        move_catalog(library, url)
    with pytest.raises(LibraryMissing):
        move_catalog(tmp_path, url)
    with pytest.raises(UsageError, match="is no address"):
        move_catalog(library, "elsewhere")
    move_catalog(library, new_catalog())
    with pytest.raises(UsageError, match="in a database already"):
        move_catalog(library, new_catalog())
    with open_store(library) as store:
        assert verify(store) == []


def test_copy_that_differs_is_not_taken(library: Path, kit: Any, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = table_copies._Part.put

    def without_one(part: Any, connection: Any, rows: Any) -> None:
        whole(part, connection, rows[1:] if part.name == "signatures" else rows)

    with open_store(library) as store:
        before = content(store, kit)
    monkeypatch.setattr(table_copies._Part, "put", without_one)
    with pytest.raises(CatalogDamaged, match="differs in signatures"):
        move_catalog(library, url)
    monkeypatch.undo()
    with open_store(library) as store:
        assert not store.catalog.url and content(store, kit) == before


@pytest.mark.parametrize("way", ["there", "back"])
def test_a_kill_at_any_step_loses_nothing(way: str, library: Path, kit: Any, url: str, tmp_path: Path) -> None:
    """The same library through all steps: each kill leaves it as it was, or as it is to be."""
    if way == "back":
        move_catalog(library, url)
    with open_store(library) as store:
        before = content(store, kit)
    to = url if way == "there" else ""
    for step in ("copied", "placed", "decided"):
        if (way, step) != ("there", "placed"):
            assert killed(f"catalog-move-{step}", lambda: move_catalog(library, to))
            with open_store(library) as store:
                assert content(store, kit) == before
        if (way, step) == ("there", "copied"):
            shutil.copytree(library, tmp_path / "copy")
    assert move_catalog(library, to).before == ""  # nothing but to tidy up
    with open_store(library) as store:
        assert bool(store.catalog.url) is (way == "there") and content(store, kit) == before and verify(store) == []
    assert not list(library.glob("catalog.mov*")) and not list(library.glob("catalog.db-wal"))
    if way == "there":  # what the first kill left in the database is another library's for a copy of the folder
        with pytest.raises(LibraryUnsupported, match="holds a library already"):
            move_catalog(tmp_path / "copy", url)


def killed(step: str, work: Callable[[], object]) -> bool:
    child = os.fork()
    if child == 0:
        try:
            files._crash_at, files._remaining = step, 1
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(status := os.waitpid(child, 0)[1]) and os.WTERMSIG(status) == signal.SIGKILL


def test_published_and_merged_libraries_go_into_a_database(
    tmp_path: Path, photos: Path, url: str, new_catalog: Callable[[], str]
) -> None:
    from PIL import Image

    from imgsearch.progress import Silence
    from imgsearch.settings import Settings
    from indexer.jobs.create import CreateRequest, create_job
    from indexer.jobs.driver import RunRequest, run_job
    from indexer.jobs.library.merge import merge_libraries
    from indexer.jobs.library.publish import publish_job

    for number in range(3):
        Image.new("RGB", (16, 16), (80 * number, 0, 0)).save(photos / f"{number}.png")
    job = tmp_path / "job"
    create_job(CreateRequest([str(photos)], job, Settings(Path(), model="none", device="cpu"), 2), Silence())
    run_job(RunRequest(job, engine="inline", decode_workers=1), Silence(), lambda: False)
    assert killed("catalog-move-copied", lambda: publish_job(job, None, Silence(), catalog_url=url))
    made = publish_job(job, None, Silence(), catalog_url=url)
    assert made.images == 3 and made.already
    with open_store(made.folder) as store:
        assert store.catalog.url and verify(store) == [] and store.stats().images == 3
    assert publish_job(job, None, Silence(), catalog_url=url).already
    with pytest.raises(LibraryUnsupported, match="holds a library already"):
        publish_job(job, tmp_path / "second", Silence(), catalog_url=url)
    assert not (tmp_path / "second").exists()
    merged = merge_libraries([job], tmp_path / "all", Silence(), catalog_url=new_catalog())
    with open_store(tmp_path / "all") as store:
        assert store.catalog.url and store.stats().images == merged.images == 3
