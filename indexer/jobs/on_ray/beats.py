"""Small files by which workers on other machines tell the driver that they live, and hear from it that they are to
stop. They lie in the job's own folder, which every worker must see anyway."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from imgsearch.files import write_whole
from imgsearch.storage.snapshots import is_alive
from indexer.jobs.claims import whoami
from indexer.jobs.shards.writer import writing_job
from indexer.jobs.spec import JobLayout

EVERY_S = 2.0
"""How often a worker says that it lives, and asks whether it is to stop."""

_PREFIX = "beats-"


class BeatFolder:
    """The files of one run. Picklable."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def _stop(self) -> Path:
        return self.path / "stop"

    def stop(self) -> None:
        """Tell every worker to give up what it makes and to begin nothing."""
        with contextlib.suppress(OSError):
            self._stop.touch()

    @property
    def stopped(self) -> bool:
        """Whether the workers are to stop; also once the run's folder is gone."""
        return self._stop.exists() or not self.path.is_dir()

    def of(self, shard: int) -> Path:
        """The beat of a shard that a worker has begun and not ended."""
        return self.path / f"{shard:06d}.json"

    def read(self) -> dict[int, tuple[int, int]]:
        """Shard -> (time of its last beat, images embedded) of all shards in the making. Times are for comparing with
        each other, since the clock is another machine's."""
        found = {}
        for path in self.path.glob("*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                data = json.loads(path.read_bytes())
                found[int(path.stem)] = (path.stat().st_mtime_ns, int(data["images"]))
        return found


@contextlib.contextmanager
def beat_folder(layout: JobLayout) -> Iterator[BeatFolder]:
    """A folder for one run of this process, gone at its end. Those of killed drivers of this machine go too. Raises
    StorageFull."""
    for path in layout.events.glob(f"{_PREFIX}{socket.gethostname()}-*"):
        if not is_alive(path.name.rpartition(".")[0].rpartition("-")[2]):
            shutil.rmtree(path, ignore_errors=True)
    folder = BeatFolder(layout.events / f"{_PREFIX}{whoami()}.{time.monotonic_ns()}")
    with writing_job(folder.path):
        folder.path.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)


class Beat:
    """One worker's beat over one shard. ``attempts``: how many workers began it in this run, this one counted; those
    before it died. A disk that takes no beat stops no work."""

    def __init__(self, folder: BeatFolder, shard: int) -> None:
        self._folder, self._path = folder, folder.of(shard)
        self._images, self._written = 0, 0.0
        self._asked, self._stopped = 0.0, False
        self.attempts = 1
        with contextlib.suppress(OSError, ValueError, KeyError):
            self.attempts = int(json.loads(self._path.read_bytes())["attempts"]) + 1
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def __enter__(self) -> Beat:
        self._write()
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            self._path.unlink()

    def told(self, images: int) -> None:
        """``images`` more are embedded."""
        self._images += images
        if time.monotonic() - self._written > EVERY_S:
            self._write()

    def stopped(self) -> bool:
        """Whether the driver wants the work to end; looks at the disk every `EVERY_S`."""
        now = time.monotonic()
        if now - self._asked > EVERY_S:
            self._asked, self._stopped = now, self._folder.stopped
        return self._stopped

    def _go_on(self) -> None:
        while not self._over.wait(EVERY_S):
            with contextlib.suppress(OSError):
                os.utime(self._path)

    def _write(self) -> None:
        self._written = time.monotonic()
        content = json.dumps({"attempts": self.attempts, "images": self._images}).encode("ascii")
        with contextlib.suppress(OSError):
            write_whole(self._path, content, durable=False)
