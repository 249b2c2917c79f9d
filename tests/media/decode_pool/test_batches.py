"""Several calls in one job come out as if each had been made by itself."""

from __future__ import annotations

import pytest

from imgsearch.errors import MediaError
from imgsearch.media.decode_pool import Job, JobResult
from imgsearch.media.decode_pool.batches import Bounds, call_all, in_batches, run_batches, taken_apart
from imgsearch.media.limits import LIMITS, TooMuchMemory
from imgsearch.media.source import ContentChanged

TROUBLE = {
    "broken": MediaError("it is broken", stage="decode"),
    "changed": ContentChanged("it has changed", stage="read"),
    "large": TooMuchMemory("it needs more", 1),
    "fault": ValueError("a fault of the task"),
}


def call(arguments: list, limits: object) -> tuple[dict, bytes]:
    name = arguments[0]
    if name in TROUBLE:
        raise TROUBLE[name]
    return {"name": name}, name.encode()


class Pool:
    """Runs jobs here; a job with one of ``deadly`` ends its worker."""

    def __init__(self, *deadly: str) -> None:
        self.deadly, self.seen = deadly, []

    def run(self, jobs, read):
        for job in jobs:
            task, calls = job.arguments
            assert task == "name them"
            names = [arguments[0] for arguments in calls]
            self.seen.append(names)
            if any(name in self.deadly for name in names):
                yield job, MediaError("the decoder crashed twice on this file", stage="decode")
                continue
            try:
                yield job, read(*call_all(call, calls, LIMITS))
            except MediaError as error:
                yield job, error


def outcomes(pool: Pool, *batches: list[str]) -> dict[str, JobResult | MediaError]:
    given = [[Job([name], 1, name) for name in batch] for batch in batches]
    return {job.tag: outcome for job, outcome in run_batches(pool, "name them", given)}


def test_calls_are_answered_each_where_others_fail():
    found = outcomes(Pool(), ["one", "broken", "changed", "two"], ["three"])
    assert {name: found[name].body for name in ("one", "two", "three")} == {
        "one": b"one",
        "two": b"two",
        "three": b"three",
    }
    assert found["one"].head == {"name": "one"} and found["broken"].message == "it is broken"
    assert isinstance(found["changed"], ContentChanged) and not isinstance(found["broken"], ContentChanged)


def test_call_that_needs_more_memory_is_made_again_alone():
    pool = Pool()
    found = outcomes(pool, ["one", "large", "two"])
    assert pool.seen == [["one", "large", "two"], ["large"]]
    assert isinstance(found["large"], TooMuchMemory) and found["two"].body == b"two"


def test_deadly_file_harms_only_itself():
    pool = Pool("deadly")
    found = outcomes(pool, ["one", "deadly", "two"], ["three", "four"])
    assert sorted(found) == ["deadly", "four", "one", "three", "two"]
    assert [name for name, outcome in found.items() if isinstance(outcome, MediaError)] == ["deadly"]
    assert pool.seen == [["one", "deadly", "two"], ["three", "four"], ["one"], ["deadly"], ["two"]]


def test_answer_that_makes_no_sense_is_refused():
    head, body = call_all(call, [["one"], ["two"]], LIMITS)
    with pytest.raises(ValueError, match="expected 6"):
        taken_apart(head, body + b"x")
    with pytest.raises(ValueError, match="shorter"):
        taken_apart(head | {"sizes": [3]}, b"one")


def test_batches_hold_what_they_may():
    jobs = [Job(["a" * 10], cost) for cost in (1, 1, 1, 9, 1, 20, 1)]
    batches = list(in_batches(iter(jobs), Bounds(jobs=3, cost=10), lambda job: job.size_bytes))
    assert [[job.size_bytes for job in batch] for batch in batches] == [[1, 1, 1], [9, 1], [20], [1]]


def test_batches_of_long_paths_fit_a_job():
    jobs = [Job([["\u3042" * 1300, "h"], ["\u3042" * 1300, "h"], 1]) for _ in range(20)]
    batches = list(in_batches(jobs, Bounds(jobs=8, cost=1), lambda job: 0))
    assert sum(map(len, batches)) == 20 and max(map(len, batches)) == 2
