"""One pool of processes for all that a search reads of files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from pictured_library import PicturedLibrary, picture

from imgsearch.dedup.evidence.examination import file_pool
from imgsearch.dedup.find import FindOptions, compare, groups_of
from imgsearch.media.decode_pool import HardenedPool, Job, process
from imgsearch.media.decode_pool.batches import run_batches


def test_file_pool_answers_all_three_tasks_with_the_tags_that_were_given(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    picture(0).save(path)
    status, digest = path.stat(), hashlib.sha256(path.read_bytes()).hexdigest()
    side = [str(path), digest, status.st_size, False]
    given = {
        "describe": [str(path), digest, status.st_size, status.st_mtime_ns],
        "samples": [str(path), digest],
        "inspect": [side, side, 1, False],
    }
    with file_pool() as pool:
        found = {
            task: next(run_batches(pool, task, [[Job(arguments, status.st_size, task)]]))
            for task, arguments in given.items()
        }
    assert {task: job.tag for task, (job, _) in found.items()} == {task: task for task in given}
    assert found["describe"][1].head["images"] == 1
    assert found["samples"][1].head["traits"] == found["describe"][1].head
    assert found["inspect"][1].head["same"]


def test_lent_pool_stays_open_and_an_own_one_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    monkeypatch.setattr(HardenedPool, "close", lambda pool, interrupted=False: closed.append(pool))
    with file_pool() as lent:
        with file_pool(lent) as used:
            assert used is lent
        assert not closed
    with file_pool() as own:
        assert own is not lent
    assert len(closed) == 2


def test_search_starts_its_processes_once_where_a_pool_is_lent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = PicturedLibrary(tmp_path)
    for at in range(3):
        library.save(picture(at), f"{at}.png")
        library.save(picture(at), f"{at}.bmp")
        library.save(picture(at), f"{at}.jpg", quality=70)
    library.index(sorted(path.name for path in library.photos.iterdir()))
    started = []
    restart = process.WorkerProcess.restart
    monkeypatch.setattr(process.WorkerProcess, "restart", lambda self: (started.append(self), restart(self)))
    tiers = ("bytes", "pixels", "perceptual")
    evidence = library.store.evidence()
    with file_pool() as pool:
        compare(library.store, evidence, tiers, lambda *_: None, pool=pool)
        found = list(groups_of(library.store, evidence, FindOptions(tiers), pytest.fail, lambda *_: None, pool=pool))
    library.store.close()
    assert len(found) == 3
    assert 1 <= len(started) <= len(os.sched_getaffinity(0))
