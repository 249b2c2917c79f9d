"""Shows how far a run is: bars on a terminal, lines every few seconds elsewhere, nothing with --quiet."""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from imgsearch.progress import Progress, Silence
from imgsearch.wording import one_line

STAGES = {
    "walking": "looking through the folders",
    "reading": "reading pictures",
    "sending": "sending vectors",
    "pixels": "comparing pixels",
    "hashes": "comparing hashes",
    "embeddings": "comparing embeddings",
    "examining": "looking at details",
    "confirming": "looking closely",
    "embedding": "embedding pictures",
    "publishing": "writing the library",
    "merging": "joining libraries",
    "counting": "counting inputs",
    "moving": "moving files",
    "returning": "bringing files back",
    "deleting": "deleting files",
}
"""Names of the stages for people. A stage that is not listed is shown by its own name."""

_FIRST_S = 2.0  # without a terminal, a shorter stage prints nothing
_EVERY_S = 5.0
_WINDOW_S = 30.0  # the pace is measured over the last half minute


@contextmanager
def phases(arguments: argparse.Namespace) -> Iterator[Progress]:
    """Progress for a verb with --quiet: a bar for each stage on a terminal, lines elsewhere. It goes to stderr, so that
    --json has standard output to itself."""
    with _closing(Silence() if arguments.quiet else _on(sys.stderr, Bars)) as shown:
        yield shown


@contextmanager
def image_bar(arguments: argparse.Namespace) -> Iterator[Progress]:
    """`phases` for a verb that reads images once: one bar, which stays on the screen."""
    with _closing(Silence() if arguments.quiet else _on(sys.stderr, ImageBar)) as shown:
        yield shown


@contextmanager
def _closing(shown: Progress) -> Iterator[Progress]:
    try:
        yield shown
    finally:
        shown.close()


def _on(stream: TextIO, bars: type[Bars]) -> Progress:
    return bars(stream) if stream.isatty() else Lines(stream)


class Bars:
    """A tqdm bar for each stage, with its pace and the time left. It disappears when the stage ends."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._stage = ""
        self._bar: Any = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        if self._bar is None or stage != self._stage:
            self.close()
            self._stage = stage
            self._bar = self._begin(stage, total)
        self._bar.total = total or None
        self._bar.update(done - self._bar.n)

    def say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(one_line(text), file=self._stream)
        else:
            print(one_line(text), file=self._stream, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _begin(self, stage: str, total: int) -> Any:
        from tqdm import tqdm

        return tqdm(
            desc=STAGES.get(stage, stage),
            total=total or None,
            unit="",
            file=self._stream,
            leave=False,
            dynamic_ncols=True,
        )


class ImageBar(Bars):
    """One bar, in images/s, which stays when it is full. The walk before it has no bar."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage != "walking":
            super().__call__(stage, done, total)

    def _begin(self, stage: str, total: int) -> Any:
        from tqdm import tqdm

        return tqdm(total=total, unit="image", file=self._stream, mininterval=0.3, dynamic_ncols=True)


class Lines:
    """A line for a stage after two seconds, then every five, and one at its end: "reading pictures: 1,200 of 10,000,
    410/s, 21 s left". ``clock`` gives seconds."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._stage = ""
        self._due = self._started = 0.0
        self._begun_at = 0  # what was done before the stage began, since a continued run begins in the middle
        self._seen: deque[tuple[float, int]] = deque()  # (when, done), a second apart
        self._last = (0, 0)
        self._told = False

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = self._clock()
        if stage != self._stage:
            self.close()
            self._stage, self._started, self._begun_at = stage, now, done
            self._due, self._told = now + _FIRST_S, False
            self._seen.clear()
        self._last = (done, total)
        if not self._seen or now - self._seen[-1][0] >= 1.0:
            self._seen.append((now, done))
            while len(self._seen) > 2 and now - self._seen[1][0] >= _WINDOW_S:
                self._seen.popleft()
        if now >= self._due and not (total and done >= total):
            self._due, self._told = now + _EVERY_S, True
            self._print(self._line(now))

    def say(self, text: str) -> None:
        self._print(text)

    def close(self) -> None:
        if not self._stage:
            return
        took = self._clock() - self._started
        done, total = self._last
        if self._told or took >= _FIRST_S:
            pace = _pace(done - self._begun_at, took)
            self._print(f"{self._name()}: {_count(done, total)} in {duration(took)}{pace}")
        self._stage = ""

    def _line(self, now: float) -> str:
        done, total = self._last
        since, before = self._seen[0]
        line = f"{self._name()}: {_count(done, total)}{_pace(done - before, now - since)}"
        if total and done > before:
            line += f", {duration((total - done) * (now - since) / (done - before))} left"
        return line

    def _name(self) -> str:
        return STAGES.get(self._stage, self._stage)

    def _print(self, text: str) -> None:
        print(one_line(text), file=self._stream, flush=True)


def duration(seconds: float) -> str:
    """A duration in a few characters: "21 s", "3 min 20 s", "2 h 5 min"."""
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def _count(done: int, total: int) -> str:
    return f"{done:,} of {total:,}" if total else f"{done:,}"


def _pace(done: int, seconds: float) -> str:
    if done <= 0 or seconds <= 0:
        return ""
    pace = done / seconds
    return f", {pace:,.0f}/s" if pace >= 10 else f", {pace:.1f}/s"
