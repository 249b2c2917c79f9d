"""Jobs from many threads, answered in batches."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import wait

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgsearch.search.inference.batcher import Batcher


class Gate:
    """Answers only while it is open; remembers the batches."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, jobs: Sequence[int]) -> list[int]:
        self.entered.set()
        assert self.open.wait(20)
        self.batches.append(list(jobs))
        return [10 * job for job in jobs]


def test_batcher_answers_together_what_waits_together() -> None:
    gate = Gate()
    batcher = Batcher("test", gate, workers=1, most=4)
    first = batcher.submit([0])
    assert gate.entered.wait(20)
    later = [future for job in range(1, 7) for future in batcher.submit([job])]
    assert batcher.waiting == 6
    gate.open.set()
    assert [future.result(20) for future in [*first, *later]] == [0, 10, 20, 30, 40, 50, 60]
    assert gate.batches == [[0], [1, 2, 3, 4], [5, 6]]
    assert (batcher.batches, batcher.jobs) == (3, 7)
    batcher.close()


def test_batcher_shares_what_waits_among_its_workers() -> None:
    gate = Gate()
    batcher = Batcher("test", gate, workers=2, most=8)
    futures = batcher.submit(list(range(4)))
    gate.open.set()
    assert [future.result(20) for future in futures] == [0, 10, 20, 30]
    assert max(map(len, gate.batches)) == 2
    batcher.close()


def test_batcher_waits_for_company_only_while_there_is_no_hurry() -> None:
    gate, busy = Gate(), [True]
    gate.open.set()
    batcher = Batcher("test", gate, workers=1, most=3, patient=lambda: busy[0])
    lonely = batcher.submit([1, 2])
    assert not gate.entered.wait(0.2) and batcher.waiting == 2
    full = batcher.submit([3])
    assert [future.result(20) for future in [*lonely, *full]] == [10, 20, 30] and gate.batches == [[1, 2, 3]]
    last = batcher.submit([4])
    busy[0] = False
    assert last[0].result(20) == 40
    busy[0] = True
    closing = batcher.submit([5])
    batcher.close()
    assert closing[0].result(0) == 50


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-5, 5), max_size=30), st.integers(1, 3), st.integers(1, 7))
def test_batcher_gives_each_job_its_own_answer_or_error(jobs: list[int], workers: int, most: int) -> None:
    def answer(batch: Sequence[int]) -> list[float]:
        return [1 / job for job in batch]

    batcher = Batcher("test", answer, workers, most)
    futures = batcher.submit(jobs)
    assert not wait(futures, 20).not_done
    for job, future in zip(jobs, futures, strict=True):
        if job:
            assert future.result() == 1 / job
        else:
            assert isinstance(future.exception(), ZeroDivisionError)
    batcher.close()


def test_batcher_answers_what_waits_before_it_closes_and_nothing_after() -> None:
    gate = Gate()
    batcher = Batcher("test", gate, workers=1, most=1)
    futures = batcher.submit([1, 2, 3])
    gate.open.set()
    batcher.close()
    assert [future.result(0) for future in futures] == [10, 20, 30]
    with pytest.raises(RuntimeError, match="closed"):
        batcher.submit([4])
