"""Index runs from the page: started, watched, paused, stopped, one at a time. True ones are in the browser's test of a
first run."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from colour_shelf import NAMES, TOKEN

from imgsearch.records import Event
from imgsearch.storage import writing
from web.http.context import RUNS
from web.services.runs import RunProgress, Runs, changes

PATIENT = """
import pathlib, signal, sys, time
stopped = []  # no Event: set by a handler while the same thread begins to wait for it, it may wait for itself
signal.signal(signal.SIGINT, lambda *_: stopped.append(True))
pathlib.Path({ready!r}).touch()
until = time.monotonic() + 60
while not stopped and time.monotonic() < until:
    time.sleep(0.02)
print("stopped after the batch in flight", file=sys.stderr)
sys.exit(130)
"""


def patient(ready: Path) -> str:
    """A run that waits for Ctrl-C. It makes the file ``ready`` once its handler is up: before, a shell's background
    jobs ignore Ctrl-C."""
    return PATIENT.format(ready=str(ready))


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def until(what: Callable[[], Any], seconds: float = 60) -> Any:
    """What it gives once that is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError("it never came")


@pytest.fixture
def running(make_shelf: Callable[..., Any]) -> Any:
    """A shelf whose runs are the script that it is called with."""
    made: list[Runs] = []

    def start(script: str) -> Any:
        shelf = make_shelf(NAMES[:1])
        made.append(Runs(shelf.store, python(script)))
        shelf.programs.application.extensions[RUNS] = made[-1]
        return shelf

    yield start
    for runs in made:
        runs.close()
        runs.close(timeout_s=5)


def test_a_run_is_started_told_and_over(running: Any) -> None:
    shelf = running("import sys; print('{}'); print('a word', file=sys.stderr)")
    begun = shelf.programs.post("/api/v1/jobs", json={"kind": "index"})
    assert begun.status_code == 202 and begun.headers["Location"] == "/api/v1/jobs/1"
    done = until(lambda: next((j for j in [shelf.programs.get("/api/v1/jobs/1").get_json()] if j["finished_at"]), None))
    assert (done["state"], done["exit_code"], done["message"], done["summary"]) == ("finished", 0, "a word", None)
    assert shelf.programs.get("/api/v1/jobs").get_json()["jobs"] == [done]


def test_a_second_run_is_refused_while_the_first_goes_on(running: Any, tmp_path: Path) -> None:
    shelf = running(patient(tmp_path / "ready"))
    assert shelf.programs.post("/api/v1/jobs", json={"kind": "index"}).status_code == 202
    until((tmp_path / "ready").exists)
    refused = shelf.programs.post("/api/v1/jobs", json={"kind": "index"})
    assert refused.status_code == 409 and b"run 1 is under way" in refused.data


def test_a_run_is_stopped_as_by_ctrl_c(running: Any, tmp_path: Path) -> None:
    shelf = running(patient(tmp_path / "ready"))
    shelf.programs.post("/api/v1/jobs", json={"kind": "index"})
    runs = shelf.programs.application.extensions[RUNS]
    until((tmp_path / "ready").exists)
    stopping = shelf.programs.delete("/api/v1/jobs/1")
    assert stopping.status_code == 202 and stopping.get_json()["state"] in ("stopping", "stopped")
    assert runs.get(1).join(30)
    told = runs.get(1).as_dict()
    assert told["state"] == "stopped" and told["exit_code"] in (130, -2)


def test_a_run_is_paused_and_goes_on_where_it_was(running: Any, tmp_path: Path) -> None:
    shelf = running(patient(tmp_path / "ready"))
    runs = shelf.programs.application.extensions[RUNS]
    run = runs.start()
    until((tmp_path / "ready").exists)
    with writing(shelf.store) as writer:
        writer.record_event("index-planned", {"files": 10})
        writer.record_event("index-progress", {"done": 4, "failed": 1})
    paused = shelf.programs.post("/api/v1/jobs/1/pause")
    assert paused.status_code == 202 and paused.get_json()["state"] in ("pausing", "paused")
    until(lambda: run.as_dict()["state"] == "paused")
    assert run.as_dict()["finished_at"] is None and not run.active
    (tmp_path / "ready").unlink()
    assert shelf.programs.post("/api/v1/jobs/1/resume").get_json()["state"] == "running"
    assert shelf.programs.post("/api/v1/jobs/1/resume").status_code == 409
    assert shelf.programs.post("/api/v1/jobs", json={"kind": "index"}).status_code == 409
    with writing(shelf.store) as writer:
        writer.record_event("index-planned", {"files": 6})
        writer.record_event("index-progress", {"done": 2, "failed": 1})
    told = run.as_dict()["progress"]
    assert (told["total"], told["done"], told["failed"]) == (10, 6, 1)
    until((tmp_path / "ready").exists)
    run.pause()
    until(lambda: run.as_dict()["state"] == "paused")
    run.stop()
    assert run.as_dict()["state"] == "stopped" and run.over
    assert shelf.programs.post("/api/v1/jobs/1/pause").status_code == 409
    assert shelf.programs.post("/api/v1/jobs/9/resume").status_code == 404


def test_a_run_that_fails_tells_why(running: Any) -> None:
    shelf = running("import sys; sys.exit('the library is being written to by process 5')")
    shelf.programs.post("/api/v1/jobs", json={"kind": "index"})
    runs = shelf.programs.application.extensions[RUNS]
    assert runs.get(1).join(30)
    assert runs.get(1).as_dict()["state"] == "failed" and "process 5" in runs.get(1).as_dict()["message"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b'"index"', b'{"kind": "rm"}', b'{"kind": ["index"]}', b"\xff", b"[" * 9999, b"[" * 11_000],
)
def test_anything_else_is_no_job(shelf: Any, body: bytes) -> None:
    answer = shelf.programs.post("/api/v1/jobs", data=body, content_type="application/json")
    assert answer.status_code == 400 + 13 * (len(body) > 10_000)
    assert shelf.programs.post("/api/v1/jobs", data=body).status_code in (400, 413)


def test_an_unknown_job_is_not_found(shelf: Any) -> None:
    for number in ("1", "0", "9" * 30, "x"):
        assert shelf.programs.get(f"/api/v1/jobs/{number}").status_code == 404
        assert shelf.programs.delete(f"/api/v1/jobs/{number}").status_code == 404


def test_a_library_without_a_folder_has_nothing_to_index(make_shelf: Callable[..., Any]) -> None:
    answer = make_shelf([]).programs.post("/api/v1/jobs", json={"kind": "index"})
    assert answer.status_code == 409 and b"imgsearch index FOLDER" in answer.data


def test_without_a_token_or_the_page_s_own_nothing_starts_or_stops(shelf: Any) -> None:
    assert shelf.client.post("/api/v1/jobs", json={"kind": "index"}).status_code == 403
    assert shelf.client.delete("/api/v1/jobs/1").status_code == 403
    guarded = shelf.programs.application.test_client()
    assert guarded.get("/api/v1/jobs").status_code == guarded.post("/api/v1/jobs").status_code == 401
    wrong = guarded.get("/api/v1/jobs", headers={"Authorization": f"Bearer {TOKEN}x"})
    assert wrong.status_code == 401


def test_progress_is_told_from_events() -> None:
    progress = RunProgress()
    assert progress.as_dict() == {"total": None, "done": 0, "failed": 0, "images_per_s": None, "seconds_left": None}
    progress.take(Event(1, "2026-01-01T10:00:00.000Z", "index-planned", {"files": 200}))
    progress.take(Event(2, "2026-01-01T10:00:50.000Z", "index-progress", {"done": 10, "failed": 1}))
    assert progress.as_dict()["seconds_left"] == 950
    for second in range(60):
        at = f"2026-01-01T10:01:{second:02d}.000Z"
        progress.take(Event(3 + second, at, "index-progress", {"done": 12 + 2 * second, "failed": 1}))
    told = progress.as_dict()
    assert (told["total"], told["done"], told["failed"], told["images_per_s"]) == (200, 130, 1, 2.0)
    assert told["seconds_left"] == 35 and len(progress.marks) < 70
    progress.take(Event(99, "2026-01-01T10:02:00.000Z", "root-offline", {"root_id": 1}))
    assert progress.as_dict() == told


def test_a_run_that_nobody_watched_is_told_to_its_end(make_shelf: Callable[..., Any], tmp_path: Path) -> None:
    shelf = make_shelf(NAMES[:1])
    runs = Runs(shelf.store, python(patient(tmp_path / "ready")))
    run = runs.start()
    with writing(shelf.store) as writer, writer.transaction() as transaction:
        transaction.record_event("index-planned", {"files": 2500})
        for number in range(1, 2501):
            transaction.record_event("index-progress", {"done": number, "failed": 0})
        transaction.commit()
    until((tmp_path / "ready").exists)
    run.stop()
    assert run.join(30) and run.as_dict()["progress"]["done"] == 2500
    runs.close()


def test_a_stream_of_jobs_tells_of_every_change_and_ends(make_shelf: Callable[..., Any], tmp_path: Path) -> None:
    shelf = make_shelf(NAMES[:1])
    runs = Runs(shelf.store, python(patient(tmp_path / "ready")))
    assert list(changes(runs, lambda: False)) == [("jobs", {"jobs": []}), ("end", {})]
    run = runs.start()
    stream = changes(runs, lambda: False, poll_s=0.01)
    name, first = next(stream)
    assert name == "jobs" and first["jobs"][0]["progress"]["total"] is None
    with writing(shelf.store) as writer:
        writer.record_event("index-planned", {"files": 10})
    name, told = next(stream)
    assert name == "job" and told["progress"]["total"] == 10
    with writing(shelf.store) as writer:
        writer.record_event("index-progress", {"done": 5, "failed": 0})
    name, told = next(stream)
    assert (told["progress"]["done"], told["state"]) == (5, "running")
    until((tmp_path / "ready").exists)
    threading.Timer(0.1, run.stop).start()
    states = [data.get("state") for name, data in stream if name == "job"]
    assert states[-1] == "stopped"
    runs.close()


def test_a_stream_of_jobs_ends_when_the_server_leaves(make_shelf: Callable[..., Any], tmp_path: Path) -> None:
    shelf, leaving = make_shelf(NAMES[:1]), threading.Event()
    runs = Runs(shelf.store, python(patient(tmp_path / "ready")))
    runs.start()
    stream = changes(runs, leaving.is_set, poll_s=0.01)
    assert next(stream)[0] == "jobs"
    until((tmp_path / "ready").exists)
    leaving.set()
    assert [name for name, _ in stream if name][-1] == "end"
    runs.close()
    assert runs.get(1).over


def test_duplicates_are_looked_for_and_wait_for_a_review(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf(["a/red one.png", "a/blue two.png"])
    (shelf.photos / "b").mkdir()
    (shelf.photos / "b/copy.png").write_bytes((shelf.photos / "a/red one.png").read_bytes())
    shelf.add(["b/copy.png"])
    assert shelf.programs.get("/api/v1/duplicates").get_json()["review"]["created_at"] is None
    started = shelf.programs.post("/api/v1/jobs", json={"kind": "dedup-find"})
    assert started.status_code == 202 and started.get_json()["kind"] == "dedup-find"
    run = shelf.programs.application.extensions[RUNS].get(started.get_json()["id"])
    assert run.join(60)
    told = shelf.programs.get(started.headers["Location"]).get_json()
    assert told["state"] == "finished", told["message"]
    assert told["summary"]["images"] == 2 and told["summary"]["groups"] == told["summary"]["copies"] == 1
    found = shelf.programs.get("/api/v1/duplicates").get_json()
    assert [group["tier"] for group in found["groups"]] == ["bytes"] and (shelf.photos / "b/copy.png").exists()
