"""The runs of one server, one at a time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from imgsearch.errors import UsageError
from imgsearch.storage import Store
from web.problems import Conflict, NotFound, printable
from web.services.runs.options import RunOptions
from web.services.runs.run import Run

_KEPT = 20
"""Finished runs that are still listed."""


class Runs:
    """The runs of one server, one at a time. ``store``: the library, or what gives it, as it is opened anew after a
    switch; None while there is none. ``command``: replaces the command of an index run. ``library``: the folder of a
    library to be made."""

    def __init__(
        self,
        store: Store | Callable[[], Store] | None,
        command: Sequence[str] | None = None,
        *,
        library: Path | None = None,
    ) -> None:
        self._source = store
        self._library, self._command = library, command
        self._runs: deque[Run] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()
        self._started = 0

    def serve(self, store: Callable[[], Store] | None) -> None:
        """Another library is open from now on; None for none."""
        self._source = store

    @property
    def store(self) -> Store | None:
        """The library, None while there is none."""
        return self._source() if callable(self._source) else self._source

    @property
    def library(self) -> Path:
        """The folder of the library."""
        store = self.store
        if store is not None:
            return store.path
        assert self._library is not None
        return self._library

    def start(
        self, folders: Sequence[str] = (), *, model: str = "", may_read: Callable[[str], Path] | None = None
    ) -> Run:
        """Update the library from ``folders``, or from all that it knows. Folders lie in those that it knows;
        ``may_read`` gives the true path of others, and raises for those that may not be read. ``model``: of a library
        that is to be made. Raises Conflict while another run of this server is active, and if no folder is known,
        UsageError for a folder that may not be read."""
        roots = self._roots()
        if not roots and not folders:
            raise Conflict("the library knows no folder yet", "`imgsearch index FOLDER` names one")
        paths = [self._path(folder, roots, may_read) for folder in folders]
        options = RunOptions("index", str(self.library), folders=tuple(paths), model=model)
        return self._begin(options, command=self._command)

    def start_estimate(self, folders: Sequence[str], model: str, may_read: Callable[[str], Path]) -> Run:
        """Say what an index run over ``folders`` would take, and write nothing. Raises like ``start``."""
        roots = self._roots()
        paths = [self._path(folder, roots, may_read) for folder in folders]
        return self._begin(RunOptions("estimate", str(self.library), folders=tuple(paths), model=model))

    def start_pull(self, model: str) -> Run:
        """Fetch a model's files. Raises Conflict like ``start``."""
        return self._begin(RunOptions("pull", str(self.library), model=model))

    def start_demo(self, library: Path, pictures: Path) -> Run:
        """Draw the demo's scenes into ``pictures`` and make a library of them with the small model. Raises Conflict
        like ``start``."""
        return self._begin(RunOptions("demo", str(library), pictures=str(pictures)))

    def start_find(self) -> Run:
        """Look for duplicates. Raises Conflict like ``start``."""
        return self._begin(RunOptions("dedup-find", str(self.library)))

    def start_apply(self, prepare: Callable[[], None]) -> Run:
        """Apply the accepted groups. ``prepare`` is called once no other run can start; its errors are raised. Raises
        Conflict like ``start``."""
        return self._begin(RunOptions("dedup-apply", str(self.library)), prepare)

    def start_undo(self, run_id: str) -> Run:
        """Undo an apply. Raises Conflict like ``start``."""
        return self._begin(RunOptions("dedup-undo", str(self.library), run_id))

    def resume(self, run_id: int) -> Run:
        """Let a paused run go on. Raises NotFound, Conflict."""
        run = self.get(run_id)
        with self._lock:
            self._require_free()
            run.resume()
        return run

    def _begin(
        self,
        options: RunOptions,
        prepare: Callable[[], None] = lambda: None,
        command: Sequence[str] | None = None,
    ) -> Run:
        with self._lock:
            self._require_free()
            prepare()
            self._started += 1
            library = Path(options.library)
            self._runs.append(
                Run(self._started, lambda: self._store_of(library), command or options.command(), options.kind)
            )
            return self._runs[-1]

    def _require_free(self) -> None:
        active = next((run for run in self._runs if run.active), None)
        if active is not None:
            raise Conflict(f"run {active.run_id} is under way", "wait until it is done, or stop it")

    def _store_of(self, library: Path) -> Store | None:
        """The open library, if it is the one of that folder: the demo has one of its own."""
        store = self.store
        return store if store is not None and store.path.resolve() == library.resolve() else None

    def _roots(self) -> list[Path]:
        store = self.store
        return [] if store is None else [root.path for root in store.roots()]

    def _path(self, folder: str, roots: Sequence[Path], may_read: Callable[[str], Path] | None) -> str:
        if ".." not in Path(folder).parts and any(Path(folder).is_relative_to(root) for root in roots):
            return folder
        if may_read is not None:
            return str(may_read(folder))
        raise UsageError(
            f"the library has no folder {printable(folder[:200])!r}", "GET /api/v1/status lists its folders"
        )

    def all(self) -> list[Run]:
        """All runs, the newest first."""
        with self._lock:
            return list(reversed(self._runs))

    def get(self, run_id: int) -> Run:
        """Raises NotFound."""
        for run in self.all():
            if run.run_id == run_id:
                return run
        raise NotFound(f"there is no job {run_id}", "GET /api/v1/jobs lists them")

    def close(self, timeout_s: float = 10.0) -> None:
        """Stop the active run and wait a little; a run that takes longer ends by itself and harms nothing."""
        for run in self.all():
            run.stop()
        deadline = time.monotonic() + timeout_s
        for run in self.all():
            run.join(max(0.0, deadline - time.monotonic()))


def changes(runs: Runs, ended: Callable[[], bool], poll_s: float = 0.5) -> Iterator[tuple[str, Any]]:
    """(name, data) of a stream: ``jobs`` at once, ``job`` whenever one has changed, ``end`` when none is active; "" now
    and then, so that a lost connection is noticed. ``ended``: whether the server is about to stop."""
    told = {run.run_id: run.as_dict() for run in runs.all()}
    yield "jobs", {"jobs": list(told.values())}
    quiet_since = time.monotonic()
    while not ended():
        going_on = [run for run in runs.all() if run.active]
        for run in runs.all():
            now = run.as_dict()
            if now != told.get(run.run_id):
                told[run.run_id] = now
                quiet_since = time.monotonic()
                yield "job", now
        if not going_on:
            break
        if time.monotonic() - quiet_since > 10:
            quiet_since = time.monotonic()
            yield "", "still here"
        time.sleep(poll_s)
    yield "end", {}
