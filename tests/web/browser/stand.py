"""What the browser's tests stand on: a library that is served, and a record of what a page said and asked for."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# The shell is the same engine without a window's user interface: a page opens in a quarter of the time.
INSTALLED = [path for name in ("chromium-headless-shell", "chromium") if (path := Path("/usr/bin") / name).exists()]
CHROMIUM = Path(os.environ.get("CHROMIUM") or [*INSTALLED, "/usr/bin/chromium"][0])
# One process draws all pages: they come one after another, and each new process costs a fifth of a page's visit.
ARGUMENTS = [
    "--renderer-process-limit=1",
    "--in-process-gpu",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
PICTURES = 84
PATIENCE_MS = 60_000
PASSWORD = "four words are enough"
# Options of a page in which tiles glide and pictures fade.
LIVELY = {"reduced_motion": "no-preference"}


@dataclass
class Site:
    """A library that is served."""

    url: str
    library: Path
    pictures: Path


@dataclass
class Watched:
    """What pages have said and asked for since they were opened; ``expected`` holds parts of errors that a test means
    to cause."""

    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def attach(self, page: Any, url: str) -> None:
        """Listen to a page of the site at ``url``."""
        page.on("console", lambda told: told.type == "error" and self.errors.append(f"{told.text} {told.location}"))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda asked: self._asked(asked.url, url))

    def _asked(self, asked: str, url: str) -> None:
        if not asked.startswith((url, "data:", "blob:")):
            self.foreign.append(asked)

    def check(self) -> None:
        """Raise AssertionError for an error that was not expected, and for a request to another host."""
        unexpected = [error for error in self.errors if not any(part in error for part in self.expected)]
        assert not unexpected, f"the console says {unexpected}"
        assert not self.foreign, f"asked of other hosts: {self.foreign}"


@contextmanager
def served(library: Path, pictures: Path, config: Any, *, generation: Any = None, **options: Any) -> Iterator[Site]:
    """The library behind the real server, in threads of this process; ``options`` are the searcher's, ``generation``
    writes captions and answers."""
    from colour_shelf import ColourModel

    from imgsearch.search.engine import Searcher
    from imgsearch.storage import open_store
    from web import create_app
    from web.http.context import DRAINING
    from web.problems import refusal_of
    from web.server import Server
    from web.services.search_service import SearchService

    service = SearchService(Searcher(open_store(library), ColourModel(), **options))  # type: ignore[arg-type]
    app = create_app(service, config, generation)
    draining = app.extensions[DRAINING]
    most = config.max_upload_bytes + 1_000_000
    server = Server(app, "127.0.0.1", 0, threads=16, max_body_bytes=most, draining=draining, refusing=refusal_of(app))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield Site(f"http://127.0.0.1:{server.address[1]}", library, pictures)
    finally:
        server.stop()
        thread.join(20)
        service.close()
