"""SIGKILL at every named step of every write; the next run must end with the library of an undisturbed one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from imgsearch import files
from imgsearch.storage import create_store, open_store, verify, writing
from imgsearch.storage.upkeep.compaction import compact_library
from imgsearch.storage.vectors import segment_store

BATCHES = [list(range(first, first + 6)) for first in range(0, 30, 6)]
GONE = [f"{number}.jpg" for number in range(0, 30, 4)]


def run_like_an_indexer(kit, library: Path, photos: Path, embedded: Path) -> None:
    """Embeds what the library does not know, removes what is gone, compacts: safe to run again and again."""
    with create_store(library, kit.model) as store, writing(store) as writer:
        root_id = writer.add_root(photos).root_id
        for numbers in BATCHES:
            hashes = [kit.facts(number).content_hash for number in numbers]
            present = {state.relative_path for state in store.files(root_id)}
            fresh = [n for n, h in zip(numbers, hashes, strict=True) if h not in store.known_contents([h])]
            fresh = [n for n in fresh if f"{n}.jpg" not in GONE or not (embedded.parent / "removed").exists()]
            assert not {f"{n}.jpg" for n in fresh} & present
            if not fresh:
                continue
            with embedded.open("a") as log:
                log.writelines(f"{n}\n" for n in fresh)
            with writer.transaction() as tx:
                tx.add(kit.batch(root_id, fresh))
                tx.record_event("batch", {"images": len(fresh)})
                tx.commit()
        (embedded.parent / "removed").touch()
        with writer.transaction() as tx:
            tx.remove_files(root_id, GONE)
            tx.commit()
        compact_library(writer)


def killed(step: str, count: int, work) -> bool:
    """Run ``work`` in a fork that dies at the count-th ``step``; False if it got to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            files._crash_at, files._remaining = step, count
            work()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


@pytest.fixture
def small_segments(monkeypatch):
    monkeypatch.setattr(segment_store, "MAX_SLOTS", 12)


OTHER_WRITERS = (
    "recovery",
    "snapshot",
    "columns",
    "catalog-move",
    "dedup",
    "captions",
    "beside",
    "switch",
    "forget",
    "job",
    "training",
)
REACHED_BY_A_RUN = [step for step in files.STEPS if not step.startswith(OTHER_WRITERS)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What every run must end with, as a function of the photos' folder's place only: paths and contents."""
    found = {}

    def content(kit, photos):
        if not found:
            folder = tmp_path_factory.mktemp("undisturbed")
            run_like_an_indexer(kit, folder / "library", photos, folder / "log")
            with open_store(folder / "library") as store:
                found.update(kit.content(store))
        return found

    return content


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("step", REACHED_BY_A_RUN)
def test_library_equals_an_undisturbed_one_after_a_kill(
    step, count, kit, tmp_path, photos, small_segments, undisturbed
):
    expected = undisturbed(kit, photos)
    assert len(expected) == 30 - len(GONE)
    arguments = (kit, tmp_path / "library", photos, tmp_path / "log")
    died = killed(step, count, lambda: run_like_an_indexer(*arguments))
    assert died or count > 1, f"a run never reaches {step}"
    run_like_an_indexer(*arguments)
    with open_store(tmp_path / "library") as store:
        assert kit.content(store) == expected
        assert verify(store) == []
        assert store.stats().deleted_images == 0
    embedded = (tmp_path / "log").read_text().split()
    assert len(embedded) - len(set(embedded)) <= len(BATCHES[0]), "more than the batch in flight was embedded twice"


@pytest.mark.parametrize("step", ["segment-written", "segment-fsynced", "catalog-written"])
def test_reader_sees_only_committed_batches_after_a_kill(step, kit, tmp_path, photos, small_segments):
    killed(step, 4, lambda: run_like_an_indexer(kit, tmp_path / "library", photos, tmp_path / "log"))
    with open_store(tmp_path / "library") as store:  # nobody has taken the lock since
        view = store.view()
        assert view.count == 18
        assert sum(len(block) for _, block in view.blocks()) == 18
        assert len(store.events()) == 3


@pytest.mark.parametrize("step", ["recovery-cut", "recovery-unlinked"])
def test_kill_while_mending_is_mended_too(step, kit, tmp_path, photos, small_segments):
    work = (kit, tmp_path / "library", photos, tmp_path / "log")
    third_or_fourth = 4 if step == "recovery-cut" else 3  # the 3rd batch opens a new file, the 4th extends it
    assert killed("segment-fsynced", third_or_fourth, lambda: run_like_an_indexer(*work))
    assert killed(step, 1, lambda: run_like_an_indexer(*work))
    run_like_an_indexer(*work)
    with open_store(tmp_path / "library") as store:
        assert verify(store) == []
        assert len(kit.content(store)) == 30 - len(GONE)


def test_torn_tail_of_any_length_is_cut(kit, store, photos):
    kit.fill(store, photos, [1, 2])
    segment = next(store.layout.segments.iterdir())
    whole = segment.read_bytes()
    for garbage in (1, 7, 16, 100_000):
        segment.write_bytes(whole + os.urandom(garbage))
        assert [problem.kind for problem in verify(store)] == ["segment-long"]
        assert store.view().count == 2
        with writing(store):
            pass
        assert segment.read_bytes() == whole
        assert verify(store) == []


def test_environment_names_the_step_in_a_real_process(tmp_path):
    code = (
        "import sys; from imgsearch.files import reached\n"
        "for i in range(5): print(i, flush=True); reached('segment-fsynced'); reached('other')"
    )
    environment = os.environ | {"IMGSEARCH_CRASH_AT": "segment-fsynced:3"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.split() == ["0", "1", "2"]
