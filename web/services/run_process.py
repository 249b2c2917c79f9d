"""The process of a run that the page starts: `python -m web.services.run_process OPTIONS`, where OPTIONS are a
`RunOptions` as JSON. A crash or Ctrl-C in it leaves the server alone.

An index run prints its summary as JSON. A run that moves files prints a line of JSON now and then
({"progress": {"done", "total"}}), and its result at the end."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from imgsearch.progress import StepProgress

_EVERY_S = 0.25

RunKind = Literal["index", "dedup-apply", "dedup-undo"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The task of a run and its library. ``run_id``: the apply that an undo brings back."""

    kind: RunKind
    library: str
    run_id: str = ""

    def command(self) -> list[str]:
        """The command line of the process."""
        return [sys.executable, "-P", "-m", "web.services.run_process", json.dumps(asdict(self))]


def main(options: RunOptions) -> int:
    """Carry it out. Returns the exit code: 0, 3 if some files failed or were left alone, 130 after Ctrl-C, an error's
    own."""
    if options.kind == "index":
        from imgsearch.cli.main import guarded

        return guarded(partial(_index, options))
    return _move(options)


def _index(options: RunOptions) -> int:
    """Update the library from its folders."""
    from imgsearch.progress import Silence
    from imgsearch.settings import load_settings
    from indexer.index_run import IndexRequest
    from indexer.interrupt import Stop
    from indexer.service import update_library

    request = IndexRequest((), load_settings({"library": options.library}))
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
    last = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _EVERY_S or done == total:
            last = time.monotonic()
            _print({"progress": {"done": done, "total": total}})

    return tell


def _print(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(RunOptions(**json.loads(sys.argv[1]))))
