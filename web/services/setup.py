"""What a page may do to a library's making: choose a model and folders, have an estimate, begin, pause and go on; and
the demo. A server that has a library uses it for further folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imgsearch.errors import UsageError
from imgsearch.model import known_models
from imgsearch.model.memory import available_bytes
from indexer.forecast import free_bytes
from web.problems import Conflict, printable
from web.services.runs import Run, Runs
from web.services.welcome.demo import COUNT, demo_folders
from web.services.welcome.folders import FolderRules
from web.services.welcome.models import forget_models, model_cards
from web.services.welcome.tuned import offered

Allowed = Callable[[], None]
"""Raises Forbidden where the client of a request may not choose what is read."""


@dataclass
class Setup:
    """``runs``: those of the server. ``library``: the folder of the library that is there, or is to be made. ``ready``:
    whether a library is open; ``demo``: whether it is the demo's. ``began`` hears of every run that may make a library;
    ``leave`` closes the demo; ``notice`` says whether another process has made a library meanwhile. ``problem``: why a
    library that was made cannot be shown."""

    runs: Runs
    library: Path
    rules: FolderRules
    ready: bool = True
    demo: bool = False
    began: Callable[[Run, Path], None] = lambda run, library: None
    leave: Callable[[], None] | None = None
    notice: Callable[[], bool] = lambda: False
    problem: dict[str, str] | None = None
    wanted_model: str = ""
    _pulls: set[int] = field(default_factory=set)

    def state(self) -> dict[str, Any]:
        """The models, the roots of folders, free memory and disk, the newest run. Looks at the disk for the models."""
        runs = self.runs.all()
        if any(run.run_id in self._pulls and run.over for run in runs):
            self._pulls.clear()
            forget_models()
        return {
            "ready": self.ready,
            "demo": self.demo,
            "library": printable(str(self.library)),
            "models": [] if self.ready else self.cards(),
            "roots": [{"name": Path(root).name or root, "path": root} for root in self.rules.roots],
            "memory_free_bytes": available_bytes(),
            "disk_free_bytes": free_bytes(self.library),
            "job": runs[0].as_dict() if runs else None,
            "problem": self.problem,
        }

    def cards(self) -> list[dict[str, Any]]:
        """The models; the one that the settings name is the suggested one."""
        cards = model_cards()
        if self.wanted_model in {card["name"] for card in cards}:
            return [card | {"suggested": card["name"] == self.wanted_model} for card in cards]
        return cards

    def demo_words(self) -> tuple[int, str]:
        """How many scenes the demo draws, and the folder that it makes."""
        return COUNT, printable(str(demo_folders(self.library)[0].parent))

    def index(self, folders: Sequence[str], model: str, allowed: Allowed) -> Run:
        """Index; see `Runs.start`. ``model`` only before there is a library. Raises UsageError, Conflict, NotFound,
        Forbidden."""
        self._check_model(model)
        if not self.ready:
            allowed()
        self.problem = None
        run = self.runs.start(folders, model=model, may_read=self._may_read(allowed))
        self.began(run, self.library)
        return run

    def estimate(self, folders: Sequence[str], model: str, allowed: Allowed) -> Run:
        """An estimate of that. Raises the same, and UsageError without folders."""
        self._check_model(model)
        if not self.ready:
            allowed()
        if not folders:
            raise UsageError("an estimate was asked for without folders", 'name them: "folders": ["/photos"]')
        return self.runs.start_estimate(folders, model, self._may_read(allowed))

    def pull(self, model: str) -> Run:
        """Fetch a known model. Raises UsageError for another name, Conflict once there is a library."""
        self._require_none()
        self._check_model(model)
        if not any(known.name == model and not known.ships for known in known_models()):
            raise UsageError("the model to fetch is missing, is here, or comes with the program", "such as blip2-vitl")
        run = self.runs.start_pull(model)
        self._pulls.add(run.run_id)
        return run

    def open_demo(self) -> Run:
        """Make the demo, or open it if it is there. Raises Conflict once there is a library."""
        self._require_none()
        library, pictures = demo_folders(self.library)
        self.problem = None
        run = self.runs.start_demo(library, pictures)
        self.began(run, library)
        return run

    def leave_demo(self) -> None:
        """Back to the welcome page. Raises Conflict if it is not the demo that is open, or something runs."""
        if not self.demo or self.leave is None:
            raise Conflict("it is not the demo that is open", "open the library's own page")
        if any(run.active for run in self.runs.all()):
            raise Conflict("the demo is being read", "wait until it is done, or stop it")
        self.leave()

    def resume(self, run_id: int) -> Run:
        """Let a paused run go on. Raises NotFound, Conflict."""
        run = self.runs.resume(run_id)
        self.began(run, self.library)
        return run

    def _may_read(self, allowed: Allowed) -> Callable[[str], Path]:
        def may_read(folder: str) -> Path:
            allowed()
            return self.rules.real(folder)

        return may_read

    def _require_none(self) -> None:
        if self.ready:
            raise Conflict("there is a library already", "imgsearch models pull NAME; imgsearch demo")

    def _check_model(self, model: str) -> None:
        if model and self.ready:
            raise Conflict("a library keeps its model", "leave model out; imgsearch index --beside changes it")
        names = [known.name for known in known_models()]
        if model and model not in names and model not in (str(tuned.folder) for tuned in offered()):
            raise UsageError(f"got the model {printable(model[:80])!r}, expected {', '.join(names)}", "choose one")
