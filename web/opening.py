"""What a server answers with: the welcome page until there is a library, then the library's pages; the demo's in
between."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgsearch import storage
from imgsearch.errors import ImgsearchError, LibraryMissing
from web import create_app, create_welcome_app
from web.http.context import DRAINING, RUNS, SETUP
from web.services.runs import Run, Runs
from web.services.search_service import SearchService, ServiceLimits
from web.services.setup import Setup
from web.services.welcome.demo import demo_folders
from web.services.welcome.folders import FolderRules
from web.wording import on_a_page

if TYPE_CHECKING:
    from flask import Flask

    from imgsearch.search.engine import Searcher
    from imgsearch.settings import Settings
    from web.config import WebConfig
    from web.services.generation import GenerationService

_LOG = logging.getLogger("imgsearch.web")
_POLL_S = 0.3
_PATIENCE_S = 3.0  # of somebody who asks for the page


@dataclass(frozen=True, slots=True)
class ServerParts:
    """``generation``: makes the service that writes for a library of a model. ``made`` is called once, when a library
    was made: it keeps the sessions' key. ``adds_folders``: whether a page may add folders to a library that is there;
    where others reach the server, only if its owner named some."""

    settings: Settings
    config: WebConfig
    generation: Callable[[str], GenerationService]
    made: Callable[[Path], None] = lambda library: None
    adds_folders: bool = True


class Opening:
    """A WSGI app that is exchanged while it is served. ``draining`` is set once the server is about to stop. Closing it
    closes the library."""

    def __init__(self, parts: ServerParts) -> None:
        self._parts = parts
        self.draining = threading.Event()
        self.runs = Runs(None, library=parts.settings.library)
        self.service: SearchService | None = None
        self._lock = threading.RLock()
        self._open = ExitStack()
        self._watching: threading.Thread | None = None
        self._setup = self._new_setup(ready=False)
        self.app: Flask

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer: Iterable[bytes] = self.app(environ, start_response)
        return answer

    @property
    def library(self) -> Path | None:
        """The folder of the library that is open; None for the welcome page."""
        return None if self.service is None else self.service.store.path

    def begin(self) -> None:
        """Open the library, or show the welcome page where there is none, or one that was given up before its first
        picture. Raises what `open_searcher` raises."""
        library = self._parts.settings.library
        try:
            if self._shows_something(library, over=True, migrate=True):
                return self.open_library(library)
        except LibraryMissing:  # its making was cut short
            pass
        return self.show_welcome()

    def show_welcome(self) -> None:
        """Answer with the welcome page from now on."""
        with self._lock:
            self.service = None
            self.runs.serve(None)
            self._setup = self._new_setup(ready=False)
            self._answer_with(create_welcome_app(self._parts.config, self._setup))
            self._open.pop_all().close()

    def open_library(self, library: Path, *, just_made: bool = False) -> None:
        """Answer with the pages of a library from now on. ``just_made``: whatever model the settings name is one that
        was not chosen. Raises what `open_searcher` raises."""
        from imgsearch.app import open_searcher

        settings = replace(self._parts.settings, library=library, catalog_url=self._catalog_url(library))
        if just_made:
            settings = replace(settings, model="", dtype="auto")
        opened = ExitStack()
        try:
            searcher = open_searcher(settings)
            config = self._parts.config
            limits = ServiceLimits(config.searches, config.max_query_chars, settings.rerank)
            service = opened.enter_context(closing(SearchService(searcher, limits, partial(_reopened, settings))))
            generation = opened.enter_context(closing(self._parts.generation(searcher.store.model.name)))
            app = create_app(service, config, generation)
        except BaseException:
            opened.close()
            raise
        with self._lock:
            demo = self._is_demo(library)
            self._setup = self._new_setup(ready=True, demo=demo)
            app.extensions[RUNS], app.extensions[SETUP] = self.runs, self._setup
            self.runs.serve(lambda: service.store)
            self.service = service
            self._answer_with(app)
            self._open.push(opened.pop_all())
        if not demo:
            self._parts.made(searcher.store.path)
        service.warm()

    def close(self) -> None:
        """End the run under way, as Ctrl-C does, and let go of the library."""
        self.runs.close()
        if self._watching is not None:
            self._watching.join(10)
        self._open.close()

    def _answer_with(self, app: Flask) -> None:
        app.extensions[DRAINING] = self.draining
        self.app = app

    def _new_setup(self, *, ready: bool, demo: bool = False) -> Setup:
        parts = self._parts
        folders = parts.config.folders if parts.adds_folders or not ready else ()
        return Setup(
            self.runs,
            parts.settings.library,
            FolderRules.of(folders if not demo else ()),
            ready=ready,
            demo=demo,
            began=self._watch,
            notice=self._notice,
            leave=self.show_welcome if demo else None,
            wanted_model=parts.settings.model,
        )

    def _watch(self, run: Run, library: Path) -> None:
        """Open the library that ``run`` makes as soon as there is something to show."""
        if self.service is None:
            self._watching = threading.Thread(target=self._follow, args=(run, library), name="opening", daemon=True)
            self._watching.start()

    def _notice(self) -> bool:
        """Whether a library is open that another process has made meanwhile, such as `imgsearch index`. It is opened in
        a thread, and waited for a little."""
        library = self._parts.settings.library
        if storage.library_exists(library) and not any(run.active for run in self.runs.all()):
            with self._lock:
                if self.service is None and (self._watching is None or not self._watching.is_alive()):
                    self._watching = threading.Thread(target=self._try, args=(library,), name="opening", daemon=True)
                    self._watching.start()
            if self._watching is not None:
                self._watching.join(_PATIENCE_S)
        return self.service is not None

    def _try(self, library: Path) -> None:
        try:
            if self._shows_something(library, over=True):
                self.open_library(library, just_made=True)
        except ImgsearchError as error:
            _LOG.warning("the library %s cannot be opened: %s", library, error.message)

    def _follow(self, run: Run, library: Path) -> None:
        while self.service is None and not self.draining.is_set():
            active = run.active
            try:
                if self._shows_something(library, over=not active):
                    self.open_library(library, just_made=True)
                    return
            except ImgsearchError as error:
                if not active:
                    _LOG.warning("the library %s cannot be opened: %s", library, error.message)
                    self._setup.problem = {"detail": on_a_page(error.message), "hint": on_a_page(error.hint)}
            if not active:
                return
            time.sleep(_POLL_S)

    def _shows_something(self, library: Path, *, over: bool, migrate: bool = False) -> bool:
        """Whether a library has, or had, a picture; once its run is over, a failure is something to show, too."""
        if not storage.library_exists(library):
            return False
        with storage.open_store(library, migrate=migrate, catalog_url=self._catalog_url(library)) as store:
            stats = store.stats()
        return stats.images + stats.deleted_images > 0 or (over and stats.failures > 0)

    def _is_demo(self, library: Path) -> bool:
        return library.absolute() == demo_folders(self._parts.settings.library)[0]

    def _catalog_url(self, library: Path) -> str:
        """Where the settings say that the catalog is: never that of the demo."""
        return "" if self._is_demo(library) else self._parts.settings.catalog_url


def _reopened(settings: Settings) -> Searcher:
    """The library after a switch, with the model that its vectors are of now."""
    from imgsearch.app import open_searcher

    return open_searcher(replace(settings, model="", dtype="auto"))
