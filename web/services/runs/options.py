"""What a run is asked to do, as its process gets it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import Literal, get_args

RunKind = Literal["index", "estimate", "pull", "demo", "dedup-find", "dedup-apply", "dedup-undo"]

JOB_KINDS: tuple[str, ...] = get_args(RunKind)

PAUSABLE = ("index", "pull")
"""Kinds that go on where they were stopped."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The task of a run and its library. ``run_id``: the apply that an undo brings back. ``folders``: what an index run
    looks through; every folder of the library if there are none. ``model``: of a library that is made, or to fetch; ""
    for the library's own. ``pictures``: where the demo's scenes are drawn."""

    kind: RunKind
    library: str
    run_id: str = ""
    folders: tuple[str, ...] = ()
    model: str = ""
    pictures: str = ""

    def command(self) -> list[str]:
        """The command line of the process."""
        return [sys.executable, "-P", "-m", "web.services.runs.process", json.dumps(asdict(self))]

    @classmethod
    def read(cls, text: str) -> RunOptions:
        """The options in a command line."""
        told = json.loads(text)
        return cls(**{**told, "folders": tuple(told.get("folders", ()))})
