"""A run of `imgsearch caption` that is killed, or whose disk refuses: what was committed stays, and nothing is made
twice but the batch in flight."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imgsearch import files
from imgsearch.captions.run import Captioner
from imgsearch.errors import StorageFull
from imgsearch.generation.checked import CaptionSettings
from imgsearch.storage import open_store
from imgsearch.storage.reads.captions import read_captions

PICTURES, BATCH = 5, 2


@pytest.fixture
def shelf(library: Any) -> Any:
    library.add(library.names(PICTURES))
    return library


def caption_all(shelf: Any, opt: Any, log: Path) -> None:
    """What the command does, in a process of its own: the store is opened there. ``log`` gets the id of each picture
    that a caption was made for."""
    from imgsearch.captions.subjects import library_subjects

    class Logged(Captioner):
        def _caption(self, subjects: Any) -> Any:
            found = super()._caption(subjects)
            with log.open("a") as file:
                file.writelines(f"{each.image_id}\n" for each in subjects)
            return found

    with open_store(shelf.store.path) as store:
        writer = Logged(opt, CaptionSettings(max_new_tokens=4, check=False), store=store)
        for _ in writer.run(library_subjects(store, writer.waiting(store)), batch=BATCH):
            pass


def in_a_process(work: Callable[[], None], before: Callable[[], None]) -> int:
    """The status of a fork that does it: the signal's number, negative; 0 for work that ended; 1 on StorageFull."""
    child = os.fork()
    if child == 0:
        code = 2
        try:
            before()
            work()
            code = 0
        except StorageFull:
            code = 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize(("step", "kept"), [("catalog-begun", 2), ("captions-written", 2), ("catalog-committed", 4)])
def test_killed_run_keeps_whole_batches_and_goes_on(shelf: Any, opt: Any, tmp_path: Path, step: str, kept: int) -> None:
    log = tmp_path / "log"
    ids = [int(number) for number in shelf.store.view().image_ids]

    def crash() -> None:
        files._crash_at, files._remaining = step, 2

    assert in_a_process(lambda: caption_all(shelf, opt, log), crash) == -signal.SIGKILL
    assert sorted(read_captions(shelf.store, ids)) == ids[:kept]
    with open_store(shelf.store.path) as store, pytest.MonkeyPatch.context() as patched:
        patched.setattr(shelf, "store", store)
        before = read_captions(store, ids)
        caption_all(shelf, opt, log)
        after = read_captions(store, ids)
    assert sorted(after) == ids and {number: after[number] for number in before} == before
    assert sorted(map(int, log.read_text().split())) == sorted([*ids, *ids[kept : 2 * BATCH]])
    rows = sqlite3.connect(shelf.store.path / "catalog.db").execute("SELECT count(*) FROM captions").fetchone()
    assert rows == (PICTURES,)


def test_run_on_a_full_disk_says_so_and_goes_on_later(shelf: Any, opt: Any, tmp_path: Path) -> None:
    ids = [int(number) for number in shelf.store.view().image_ids]
    with sqlite3.connect(shelf.store.path / "catalog.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def fill() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))  # the next pages of the log

    assert in_a_process(lambda: caption_all(shelf, opt, tmp_path / "log"), fill) == 1
    assert read_captions(shelf.store, ids) == {}
    caption_all(shelf, opt, tmp_path / "log")
    assert sorted(read_captions(shelf.store, ids)) == ids
