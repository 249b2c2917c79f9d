"""Progress where there is no terminal: which lines, when, and what they say."""

from __future__ import annotations

import argparse
import io

import pytest

from imgsearch.cli.output.progress import Lines, duration, phases


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_long_stage_tells_count_pace_and_time_left() -> None:
    out, clock = io.StringIO(), Clock()
    told = Lines(out, clock)
    for second in range(26):
        clock.now = 100.0 + second
        told("reading", 400 * second, 10_000)
    told.close()
    lines = out.getvalue().splitlines()
    assert lines[0] == "reading pictures: 800 of 10,000, 400/s, 23 s left"
    assert lines[1] == "reading pictures: 2,800 of 10,000, 400/s, 18 s left"
    assert lines[-1] == "reading pictures: 10,000 of 10,000 in 25 s, 400/s"
    assert len(lines) == 1 + 4 + 1


def test_pace_is_that_of_the_last_half_minute() -> None:
    out, clock = io.StringIO(), Clock()
    told = Lines(out, clock)
    for second in range(100):
        clock.now = 100.0 + second
        told("confirming", second if second < 60 else 60 + 10 * (second - 60), 1000)
    assert out.getvalue().splitlines()[-1].startswith("looking closely: 430 of 1,000, 10/s, 57 s left")


def test_short_stage_says_nothing_and_the_next_one_begins_anew() -> None:
    out, clock = io.StringIO(), Clock()
    told = Lines(out, clock)
    told("pixels", 0, 10)
    told("pixels", 10, 10)
    clock.now += 0.5
    told("hashes", 0, 0)
    clock.now += 3.0
    told("hashes", 30, 0)  # nobody knows of how many
    clock.now += 1.0
    told.close()
    assert out.getvalue().splitlines() == ["comparing hashes: 30, 10/s", "comparing hashes: 30 in 4 s, 7.5/s"]


def test_run_that_goes_on_does_not_count_what_was_done_before() -> None:
    out, clock = io.StringIO(), Clock()
    told = Lines(out, clock)
    told("confirming", 900, 1000)
    clock.now += 10
    told("confirming", 950, 1000)
    assert out.getvalue() == "looking closely: 950 of 1,000, 5.0/s, 10 s left\n"


@pytest.mark.parametrize("quiet", [False, True])
def test_progress_is_on_stderr_and_nowhere_if_quiet(quiet: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with phases(argparse.Namespace(quiet=quiet, json=True)) as told:
        told.say("a file named \n line end")
        told("reading", 1, 2)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == ("" if quiet else "a file named \\n line end\n")


def test_pace_is_told_where_news_come_seldom() -> None:
    out, clock = io.StringIO(), Clock()
    told = Lines(out, clock)
    for done in (0, 32, 64):
        told("reading", done, 100)
        clock.now += 40
    assert out.getvalue().splitlines() == [
        "reading pictures: 32 of 100, 0.8/s, 85 s left",
        "reading pictures: 64 of 100, 0.8/s, 45 s left",
    ]


def test_durations_are_short() -> None:
    assert [duration(seconds) for seconds in (0.2, 119, 200, 7500)] == ["0 s", "119 s", "3 min 20 s", "2 h 5 min"]
