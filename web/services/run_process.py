"""The process of a run that the page starts: `python -m web.services.run_process OPTIONS`, where OPTIONS are a
`RunOptions` as JSON. A crash or Ctrl-C in it leaves the server alone.

An index run prints its summary as JSON. The others print a line of JSON now and then ({"progress": {"done", "total"}},
of a search for duplicates with the "stage"), and their result at the end."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from imgsearch.progress import StageProgress, StepProgress

_EVERY_S = 0.25

RunKind = Literal["index", "dedup-find", "dedup-apply", "dedup-undo"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The task of a run and its library. ``run_id``: the apply that an undo brings back. ``folders``: what an index run
    looks through; every folder of the library if there are none."""

    kind: RunKind
    library: str
    run_id: str = ""
    folders: tuple[str, ...] = ()

    def command(self) -> list[str]:
        """The command line of the process."""
        return [sys.executable, "-P", "-m", "web.services.run_process", json.dumps(asdict(self))]


def main(options: RunOptions) -> int:
    """Carry it out. Returns the exit code: 0, 3 if some files failed or were left alone, 130 after Ctrl-C, an error's
    own."""
    from imgsearch.cli.main import guarded

    if options.kind == "index":
        return guarded(partial(_index, options))
    if options.kind == "dedup-find":
        return guarded(partial(_find, options))
    return _move(options)


def _find(options: RunOptions) -> int:
    """Look for duplicates; their plan waits for a review."""
    from web.services.finding import find_duplicates

    done = find_duplicates(Path(options.library), _stages())
    _print(done)
    return 3 if done["failed"] else 0


def _index(options: RunOptions) -> int:
    """Update the library from its folders."""
    from imgsearch.progress import Silence
    from imgsearch.settings import load_settings
    from indexer.index_run import IndexRequest
    from indexer.interrupt import Stop
    from indexer.service import update_library

    request = IndexRequest(options.folders, load_settings({"library": options.library}))
    with Stop() as stop:
        summary = update_library(request, Silence(), stop)
    _print(summary.as_dict())
    return stop.exit_code if summary.interrupted else summary.exit_code


def _move(options: RunOptions) -> int:
    from imgsearch.errors import ImgsearchError
    from web.services.moving import apply_accepted, undo_run

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


def _print(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    sys.exit(main(RunOptions(**{**told, "folders": tuple(told.get("folders", ()))})))
