"""Jobs that wait at the same time are done together: many threads submit them, a few threads answer them in batches."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

_LOOK_S = 0.005
"""Seconds between two looks at whether there is hurry now: a tenth of what a re-rank takes."""

Job = TypeVar("Job")
Answer = TypeVar("Answer")


class Batcher(Generic[Job, Answer]):
    """``answer`` is called with up to ``most`` jobs by one of ``workers`` threads, the oldest first.

    A worker that is free takes its share of what is there, so a lone job is answered at once, and batches grow with the
    load. ``patient`` says when there is no hurry, since what comes after has enough to do: then a batch waits until it
    is full. If a batch fails, its jobs are done one by one, so that one job's error is its own."""

    def __init__(
        self,
        name: str,
        answer: Callable[[Sequence[Job]], Sequence[Answer]],
        workers: int,
        most: int,
        patient: Callable[[], bool] = lambda: False,
    ) -> None:
        self._answer, self._workers, self._most, self._patient = answer, workers, most, patient
        self._waiting: deque[tuple[Job, Future[Answer]]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self.batches = self.jobs = 0
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, jobs: Sequence[Job]) -> list[Future[Answer]]:
        """Queue jobs, together; each future gives its answer, or raises what ``answer`` raised."""
        entries = [(job, Future[Answer]()) for job in jobs]
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher is closed")
            self._waiting.extend(entries)
            self._changed.notify(len(entries))
        return [future for _, future in entries]

    def close(self) -> None:
        """Answer what waits, then end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    @property
    def waiting(self) -> int:
        """Jobs that no worker has taken yet."""
        return len(self._waiting)

    def _work(self) -> None:
        while batch := self._taken():
            jobs, futures = [job for job, _ in batch], [future for _, future in batch]
            try:
                for future, answer in zip(futures, self._answer(jobs), strict=True):
                    future.set_result(answer)
            except BaseException as error:  # noqa: BLE001  whoever waits is told
                self._one_by_one(batch, error)

    def _taken(self) -> list[tuple[Job, Future[Answer]]]:
        """The next batch; empty at the end."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            while 0 < len(self._waiting) < self._most and not self._closed and self._patient():
                self._changed.wait(_LOOK_S)
            share = -(-len(self._waiting) // self._workers)  # what is there, shared out among the workers
            batch = [self._waiting.popleft() for _ in range(min(share, self._most))]
            if batch:
                self.batches += 1
                self.jobs += len(batch)
            return batch

    def _one_by_one(self, batch: list[tuple[Job, Future[Answer]]], error: BaseException) -> None:
        for job, future in batch:
            if future.done():
                continue
            if len(batch) == 1:
                future.set_exception(error)
                continue
            try:
                future.set_result(self._answer([job])[0])
            except BaseException as own:  # noqa: BLE001
                future.set_exception(own)
