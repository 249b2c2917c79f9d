"""The process of a run that the page starts: `python -m web.services.runs.process OPTIONS`, where OPTIONS are a
`RunOptions` as JSON. A crash or Ctrl-C in it leaves the server alone.

It prints a line of JSON now and then ({"progress": {"done", "total", "stage"}}), and its result at the end, or
{"problem": {"detail", "hint"}}."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from imgsearch.progress import StageProgress, StepProgress
from web.services.runs.options import RunOptions

_EVERY_S = 0.25


def main(options: RunOptions) -> int:
    """Carry it out. Returns the exit code: 0, 3 if some files failed or were left alone, 130 after Ctrl-C, an error's
    own."""
    from imgsearch.cli.main import guarded

    if options.kind in ("dedup-apply", "dedup-undo"):
        return _move(options)
    return guarded(partial(_telling, partial(_WORK[options.kind], options)))


def _telling(work: Callable[[], int]) -> int:
    """The result of ``work``; an error of ours is printed as the page needs it, too."""
    from imgsearch.errors import ImgsearchError

    try:
        return work()
    except ImgsearchError as error:
        _print({"problem": {"detail": error.message, "hint": error.hint}})
        raise


def _find(options: RunOptions) -> int:
    """Look for duplicates; their plan waits for a review."""
    from web.services.runs.finding import find_duplicates

    done = find_duplicates(Path(options.library), _stages())
    _print(done)
    return 3 if done["failed"] else 0


def _index(options: RunOptions) -> int:
    """Update the library from its folders."""
    return _update(options, options.folders)


def _update(options: RunOptions, folders: tuple[str, ...]) -> int:
    from imgsearch.settings import load_settings
    from indexer.index_run import IndexRequest
    from indexer.interrupt import Stop
    from indexer.service import update_library

    given = {"library": options.library, **({"model": options.model} if options.model else {})}
    if options.kind == "demo":
        given |= {"catalog_url": "", "dtype": "auto", "runtime": "auto"}  # whatever the person's own library has
    with Stop() as stop:
        summary = update_library(IndexRequest(folders, load_settings(given)), _Lines(), stop)
    _print(summary.as_dict())
    return stop.exit_code if summary.interrupted else summary.exit_code


def _estimate(options: RunOptions) -> int:
    """Say what an index run would take."""
    from web.services.welcome.estimate import estimate

    _print(estimate(Path(options.library), options.folders, options.model, _Lines()))
    return 0


def _pull(options: RunOptions) -> int:
    """Fetch a model."""
    from web.services.welcome.models import fetch_model

    _print(fetch_model(options.model, _stages()))
    return 0


def _demo(options: RunOptions) -> int:
    """Draw scenes, and make a library of them with the small model."""
    from dataclasses import replace

    from web.services.welcome.demo import draw_demo

    drawn = draw_demo(Path(options.pictures), _stages())
    return _update(replace(options, model="mini"), (str(drawn),))


_WORK = {"index": _index, "estimate": _estimate, "pull": _pull, "demo": _demo, "dedup-find": _find}


def _move(options: RunOptions) -> int:
    from imgsearch.errors import ImgsearchError
    from web.services.runs.moving import apply_accepted, undo_run

    library = Path(options.library)
    try:
        if options.kind == "dedup-apply":
            done = apply_accepted(library, _progress())
        else:
            done = undo_run(library, options.run_id, _progress())
    except ImgsearchError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    _print(done)
    return 3 if done["left"] else 0


def _progress() -> StepProgress:
    """Prints the progress, four times a second at most."""
    tell = _stages()
    return lambda done, total: tell("", done, total)


def _stages() -> StageProgress:
    """The same with the stage, which is always told when it begins."""
    last, before = 0.0, ""

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal last, before
        if time.monotonic() - last >= _EVERY_S or done == total or stage != before:
            last, before = time.monotonic(), stage
            _print({"progress": {"done": done, "total": total, "stage": stage}})

    return tell


class _Lines:
    """A `Progress` that prints lines, and no sentences: the page has its own."""

    def __init__(self) -> None:
        self._tell = _stages()

    def __call__(self, stage: str, done: int, total: int) -> None:
        self._tell(stage, done, total)

    def say(self, text: str) -> None: ...

    def close(self) -> None: ...


def _print(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(RunOptions.read(sys.argv[1])))
