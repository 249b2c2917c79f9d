"""The pool with tasks that real decoders would be on a bad day."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgsearch.errors import ImgsearchError, MediaError
from imgsearch.media.decode_pool import HardenedPool, Job, JobResult
from imgsearch.media.decode_pool.interrupts import interrupts_held
from imgsearch.media.decode_pool.process import WorkerProcess
from imgsearch.media.limits import MIB
from imgsearch.media.source import ContentChanged

TASKS = """
import os, time
from imgsearch.errors import MediaError
from imgsearch.media.limits import TooMuchMemory
from imgsearch.media.source import ContentChanged

def echo(arguments, settings, limits):
    time.sleep(arguments.get("sleep", 0)) if isinstance(arguments, dict) else None
    return {"arguments": arguments, "settings": settings, "pid": os.getpid()}, repr(arguments).encode()

def awkward(arguments, settings, limits):
    if arguments == "media": raise MediaError("no picture", stage="open")
    if arguments == "changed": raise ContentChanged("has changed", stage="read")
    if arguments == "fault": return {}["gone"], b""
    if arguments == "deep": return awkward_depth(0), b""
    if arguments == "set": return {"a": {1, 2}}, b""
    if arguments == "head": return {"a": "x" * (1 << 20)}, b""
    if arguments == "body": return {}, bytes((1 << 26) + 1)
    if arguments == "memory" and limits.memory_bytes < 300 << 20: raise MemoryError
    if arguments == "hungry": raise MemoryError
    if arguments == "large" and limits.memory_bytes < 300 << 20: raise TooMuchMemory("too large", 1 << 28)
    if arguments == "exit": os._exit(3)
    return {"ok": arguments}, b""

def awkward_depth(depth): return awkward_depth(depth + 1)
"""


@pytest.fixture(autouse=True)
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "awkward_tasks.py").write_text(TASKS)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_task_gets_arguments_and_settings_as_json_carries_them() -> None:
    jobs = [Job(value, tag=number) for number, value in enumerate([None, [1, "\udce9"], {"a": 2.5}, "ü" * 100])]
    with HardenedPool("awkward_tasks:echo", {"side": 7}, workers=2) as pool:
        answers = {job.tag: answer for job, answer in pool.run(jobs)}
    assert sorted(answers) == [0, 1, 2, 3]
    for job in jobs:
        answer = answers[job.tag]
        assert isinstance(answer, JobResult)
        assert (answer.head["arguments"], answer.head["settings"]) == (job.arguments, {"side": 7})
        assert answer.body == repr(job.arguments).encode()


def test_what_goes_wrong_over_one_job_fails_that_job_alone() -> None:
    words = {
        "media": "no picture",
        "changed": "has changed",
        "fault": "KeyError",
        "deep": "RecursionError",
        "set": "TypeError",
        "head": "bytes of head and 0 of body",
        "body": "67108865 of body",
        "hungry": "not enough memory",
        "exit": "crashed twice on this file .exit status 3",
    }
    fine = ["memory", "large", "a", "b", "c"]
    with HardenedPool("awkward_tasks:awkward", {}, workers=2) as pool:
        outcomes = {job.arguments: outcome for job, outcome in pool.run([Job(name) for name in [*words, *fine]])}
    for name in fine:
        assert outcomes[name] == JobResult({"ok": name}, b"")
    for name, expected in words.items():
        failure = outcomes[name]
        assert isinstance(failure, MediaError), name
        assert re.search(expected, failure.message), failure.message
    assert isinstance(outcomes["changed"], ContentChanged)
    assert (outcomes["media"].stage, outcomes["hungry"].transient) == ("open", True)


def test_outcomes_keep_the_order_of_jobs_and_the_bound_where_asked() -> None:
    taken: list[int] = []

    def jobs() -> Iterator[Job]:
        for number in range(60):
            taken.append(number)
            yield Job({"sleep": 0.3 if number == 2 else 0}, tag=number)

    with HardenedPool("awkward_tasks:echo", {}, workers=2, ahead=10) as pool:
        for place, (job, _) in enumerate(pool.run(jobs(), ordered=True)):
            assert job.tag == place
            assert len(taken) <= place + 10 + 1
    assert len(taken) == 60


def test_heavy_jobs_keep_their_place_too() -> None:
    names = [*"abc", "large", "exit", *"defghijklmnop", "large", "memory", "q"]
    with HardenedPool("awkward_tasks:awkward", {}, workers=2, ahead=6) as pool:
        outcomes = list(pool.run([Job(name) for name in names], ordered=True))
    assert [job.arguments for job, _ in outcomes] == names
    assert [isinstance(outcome, MediaError) for _, outcome in outcomes] == [name == "exit" for name in names]


def test_answer_that_the_reader_refuses_counts_as_a_crash() -> None:
    def read(head: dict[str, object], body: bytes) -> str:
        if head["arguments"] == "bad":
            raise ValueError("makes no sense")
        return body.decode()

    with HardenedPool("awkward_tasks:echo", {}, workers=1) as pool:
        outcomes = {job.arguments: outcome for job, outcome in pool.run([Job("a"), Job("bad"), Job("b")], read)}
    assert (outcomes["a"], outcomes["b"]) == ("'a'", "'b'")
    assert isinstance(outcomes["bad"], MediaError)


def test_jobs_and_tasks_that_cannot_travel_are_refused() -> None:
    for task in ("awkward_tasks", "awkward_tasks.echo", "os:system; x", "-c:x", ":echo"):
        with pytest.raises(ValueError, match=r"expected .package\.module:function"):
            HardenedPool(task, {})
    with pytest.raises(TypeError):
        HardenedPool("awkward_tasks:echo", {"a": object()})
    with HardenedPool("awkward_tasks:echo", {}, workers=1) as pool:
        with pytest.raises(TypeError):
            list(pool.run([Job(b"bytes")]))
        with pytest.raises(ValueError, match="expected at most 65536"):
            list(pool.run([Job("x" * 70_000)]))
        assert len(list(pool.run([Job("x" * 60_000)] * 20))) == 20


def test_task_that_is_not_there_is_one_clear_error() -> None:
    with HardenedPool("awkward_tasks:gone", {}, workers=2) as pool:
        for _ in range(2):
            with pytest.raises(ImgsearchError, match="cannot start") as caught:
                list(pool.run([Job(1)] * 3))
    assert caught.value.hint.split()[-4:-2] == ["--check", "awkward_tasks:gone"]
    shown = subprocess.run(
        [sys.executable, *caught.value.hint.split()[1:-2]], check=False, capture_output=True, text=True, env=paths()
    )
    assert "has no attribute 'gone'" in shown.stderr


def paths() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_few_jobs_start_few_workers() -> None:
    with HardenedPool("awkward_tasks:echo", {}, workers=8) as pool:
        assert len(list(pool.run([Job(1), Job(2)]))) == 2
        assert len(pool._processes) == 2


def test_second_interrupt_while_closing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    pids = interrupt_while_closing(monkeypatch)
    with pytest.raises(KeyboardInterrupt) as caught, HardenedPool("awkward_tasks:echo", {}, workers=2) as pool:
        for job, _ in pool.run([Job({"sleep": 60 if number > 4 else 0}, tag=number) for number in range(20)]):
            if job.tag == 4:
                raise KeyboardInterrupt("the first")
    assert str(caught.value) == "the first"
    assert caught.value.__context__ is None
    assert len(pids) == 2
    assert not any(map(alive, pids))
    assert not any(server.is_alive() for server in pool._servers)


def test_interrupt_while_closing_is_told_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    pids = interrupt_while_closing(monkeypatch)
    with pytest.raises(KeyboardInterrupt), HardenedPool("awkward_tasks:echo", {}, workers=2) as pool:
        list(pool.run([Job(1)] * 9))
    assert pids
    assert not any(map(alive, pids))


def interrupt_while_closing(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ctrl-C as each worker is reaped; the list gets their process ids."""
    real, pids = WorkerProcess.reap, []

    def reap(self: WorkerProcess, deadline: float) -> None:
        pids.append(self.pid)
        signal.raise_signal(signal.SIGINT)
        real(self, deadline)

    monkeypatch.setattr(WorkerProcess, "reap", reap)
    return pids


def test_interrupts_are_held_and_the_handler_comes_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    done = False
    with pytest.raises(KeyboardInterrupt), interrupts_held():
        signal.raise_signal(signal.SIGINT)
        done = True
    assert done
    with interrupts_held(drop=True):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_end_with_a_parent_that_was_killed() -> None:
    script = (
        "from imgsearch.media.decode_pool import HardenedPool, Job\n"
        "with HardenedPool('awkward_tasks:echo', {}, workers=2, time_limit_s=500.0) as pool:\n"
        "    for job, _ in pool.run([Job({'sleep': 0 if n < 4 else 400}) for n in range(20)]):\n"
        "        print(*(each.pid for each in pool._processes), flush=True)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=paths())
    try:
        assert parent.stdout is not None
        pids = [list(map(int, parent.stdout.readline().split())) for _ in range(4)][-1]
        assert len(pids) == 2
        assert all(map(alive, pids))
    finally:
        parent.kill()
        parent.communicate()
    deadline = time.monotonic() + 20
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(alive, pids))


def test_job_that_is_stopped_by_the_pools_own_limit_fails_alone() -> None:
    jobs = [Job({"sleep": 30 if number == 3 else 0}, tag=number) for number in range(12)]
    with HardenedPool("awkward_tasks:echo", {}, workers=2, time_limit_s=1.0, memory_bytes=20 * MIB) as pool:
        outcomes = {job.tag: outcome for job, outcome in pool.run(jobs)}
    failure = outcomes.pop(3)
    assert isinstance(failure, MediaError)
    assert "longer than 1 s" in failure.message
    assert all(isinstance(outcome, JobResult) for outcome in outcomes.values())
    assert len(outcomes) == 11


def test_run_ends_early_where_it_is_stopped_while_no_answer_comes() -> None:
    done: list[int] = []
    with HardenedPool("awkward_tasks:echo", {}, workers=2, stop=lambda: len(done) == 4) as pool:
        for job, _ in pool.run([Job({"sleep": 0 if number < 4 else 400}, tag=number) for number in range(20)]):
            done.append(job.tag)
    assert sorted(done) == [0, 1, 2, 3]
