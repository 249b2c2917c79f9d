"""`imgsearch index --dry-run`: says what a run would read and leave out, how long it takes and how much disk it needs.
Writes nothing.

The time is measured on this machine: the rate of the library's last run that embedded something, or else of a probe
that reads and embeds a few of the images.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from imgsearch import app as library
from imgsearch import storage
from imgsearch.errors import ImgsearchError, MediaError, UsageError
from imgsearch.media.decode import decode_file
from imgsearch.media.decoded import DecodedImage
from imgsearch.media.walking.walk_counts import PassedOver
from imgsearch.progress import Progress
from imgsearch.records import ModelId, is_model_free
from imgsearch.settings import Settings
from imgsearch.storage import FailedFile, FileState, Store
from imgsearch.storage.reads.runs import finished_runs
from imgsearch.wording import counted, describe_size, one_line
from indexer.forecast import bytes_for, free_bytes, time_text
from indexer.index_run import IndexRequest
from indexer.report import printable
from indexer.scanning.passed_text import left_line, passed_line, program_line
from indexer.scanning.pending_files import PendingFile
from indexer.scanning.remembered import Remembered
from indexer.scanning.scan import Scan, scan_target
from indexer.scanning.scan_scope import check_paths
from indexer.scanning.scope import would_be

_PROBED = 12  # images
_PROBE_S = 5.0  # no further image is begun after that
_LEAST_EMBEDDED = 20  # in a run whose rate counts


class _Nothing:
    """The catalog of a library that does not exist yet."""

    def files(self, root_id: int, after: str | None = None) -> Iterator[FileState]:
        return iter(())

    def files_at(self, root_id: int, relative_paths: Iterable[str]) -> dict[str, FileState]:
        return {}

    def failed_files(self, root_id: int) -> dict[str, FailedFile]:
        return {}


@dataclass
class DryRun:
    """The result. ``new`` counts files at most: copies and moved files, which only reading reveals, are not embedded.
    ``seconds`` and ``disk_bytes`` are None if they cannot be known; ``rate_of`` says where the rate is from, or why
    there is none."""

    library: str
    exists: bool
    model: str
    roots: list[str]
    seen: int = 0
    unchanged: int = 0
    failed_before: int = 0
    new: int = 0
    changed: int = 0
    rechecked: int = 0
    removed: int = 0
    read_bytes: int = 0
    seconds: float | None = None
    seconds_each: float | None = None
    rate_of: str = ""
    disk_bytes: int | None = None
    disk_free_bytes: int = 0
    program_folders: dict[str, int] = field(default_factory=dict)
    passed: PassedOver = field(default_factory=PassedOver)
    offline: list[dict[str, str]] = field(default_factory=list)
    unreadable: list[dict[str, str]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The JSON for --json."""
        facts = {name: printable(value) for name, value in asdict(self).items() if name != "passed"}
        return {"dry_run": True} | facts | {"passed_over": printable(self.passed.as_dict())}

    def shown(self, *, as_json: bool) -> str:
        """For stdout."""
        return json.dumps(self.as_dict(), indent=2) if as_json else self.text()

    def text(self) -> str:
        """The same for a person."""
        read = self.new + self.changed + self.rechecked
        parts = [
            f"{count:,} {word}"
            for count, word in (
                (self.new, "new"),
                (self.changed, "changed"),
                (self.rechecked, "to be compared"),
                (self.unchanged, "unchanged"),
                (self.failed_before, "failed before"),
                (self.removed, "to be taken out"),
            )
            if count
        ]
        place = "" if self.exists else ", which would be made"
        lines = [
            f"{counted(self.seen, 'picture')} seen: {', '.join(parts) or 'nothing to do'}.",
            f"Would be read into the library {one_line(self.library)}{place}: {counted(read, 'file')}, "
            f"{describe_size(self.read_bytes)}.",
        ]
        if read:
            lines.append(self._cost())
        lines += [f"Offline, everything of it kept: {row['path']} ({row['reason']})." for row in self.offline]
        lines += [line for line in (left_line(self.passed, planned=True), passed_line(self.passed)) if line]
        lines += program_line(self.program_folders)
        lines += [f"Not looked into: {row['path']} ({row['reason']})." for row in self.unreadable[:5]]
        return "\n".join([*map(one_line, lines), "Nothing was written."])

    def _cost(self) -> str:
        disk = "" if self.disk_bytes is None else f"at most {describe_size(self.disk_bytes)} of disk, "
        disk += f"{describe_size(self.disk_free_bytes)} free"
        if self.seconds is None or self.seconds_each is None:
            return f"How long is not known ({self.rate_of}); {disk}."
        beside = ", without the comparing" if self.rechecked else ""
        each = f"{self.seconds_each * 1000:,.0f} ms each by {self.rate_of}{beside}"
        return f"About {time_text(self.seconds)} ({each}); {disk}."


def dry_run(request: IndexRequest, progress: Progress) -> DryRun:
    """Walk like `run_index` and write nothing; the probe may load the model. Raises UsageError, LibraryError."""
    request.choice.check()
    settings = request.settings
    with ExitStack() as held:
        store = None
        if storage.library_exists(settings.library):
            store = held.enter_context(
                storage.open_store(settings.library, migrate=False, catalog_url=settings.catalog_url)
            )
        elif not request.paths:
            raise UsageError(f"there is no library in {settings.library} yet", "name a folder: imgsearch index FOLDER")
        known = [] if store is None else store.roots()
        check_paths(request.paths, settings.library, known)
        targets = would_be(request.paths, known, settings.library, request.choice, Remembered(settings.library))
        if not targets:
            raise UsageError(f"the library {settings.library} knows no folder yet", "name one: imgsearch index FOLDER")
        scans = [
            scan_target(store or _Nothing(), target, walked=lambda files: progress("walking", files, 0))
            for target in targets
        ]
        model, why_not = _model(settings, store)
        found = DryRun(
            one_line(str(settings.library)),
            store is not None,
            model.name if model else settings.model or library.DEFAULT_MODEL,
            list(dict.fromkeys(target.path for target in targets)),
            disk_free_bytes=free_bytes(settings.library),
        )
        for scan in scans:
            _count(found, scan)
        pending = [scan.pending.at(index) for scan in scans for index in _some(len(scan.pending))]
        if model is not None:
            found.disk_bytes = bytes_for(found.new, model, store.dtype if store else "float16")
        if pending:
            found.seconds_each, found.rate_of = _rate(settings, store, model, pending, why_not)
        if found.seconds_each is not None:
            found.seconds = round(found.seconds_each * (found.new + found.changed), 3)
    return found


def _count(found: DryRun, scan: Scan) -> None:
    found.seen += scan.seen
    found.unchanged += scan.unchanged
    found.failed_before += scan.failed_before
    found.removed += 0 if scan.doubtful else len(scan.missing)
    found.read_bytes += int(scan.pending.sizes.sum())
    new, changed, rechecked = scan.pending.counts()
    found.new, found.changed, found.rechecked = found.new + new, found.changed + changed, found.rechecked + rechecked
    found.passed.merge(scan.passed)
    for words, folders in scan.program_folders.items():
        found.program_folders[words] = found.program_folders.get(words, 0) + folders
    if scan.offline:
        found.offline.append({"path": os.fspath(scan.target.root.path), "reason": scan.offline})
    found.unreadable += [{"path": path, "reason": reason} for path, reason in scan.unreadable]


def _model(settings: Settings, store: Store | None) -> tuple[ModelId | None, str]:
    """The identity of the model, or why it is not known."""
    if store is not None:
        return store.model, ""
    try:
        return library.model_id(settings), ""
    except ImgsearchError as error:
        return None, error.message


def _some(count: int) -> Sequence[int]:
    """Indices of a few pending files, from all over."""
    return sorted({int(index) for index in np.linspace(0, count - 1, min(_PROBED, count))})


def _rate(
    settings: Settings, store: Store | None, model: ModelId | None, pending: list[PendingFile], why_not: str
) -> tuple[float | None, str]:
    """Seconds an image, and the source of this figure."""
    for run in finished_runs(store) if store else ():
        busy = float(run.get("seconds", 0)) - float(run.get("scan_seconds", 0))
        if run.get("embedded", 0) >= _LEAST_EMBEDDED and busy > 0:
            return busy / int(run["embedded"]), "the last run"
    if model is None:
        return None, why_not
    try:
        return _probe(settings, model, pending)
    except ImgsearchError as error:
        return None, error.message


def _probe(settings: Settings, model: ModelId, pending: list[PendingFile]) -> tuple[float | None, str]:
    """Read a few images in this process and embed them: once to warm up, once on the clock."""
    size, free = model.image_size, is_model_free(model)
    images: list[DecodedImage] = []
    started, tried = time.monotonic(), 0
    for file in sorted(pending, key=lambda one: one.path)[:: max(1, len(pending) // _PROBED)]:
        tried += 1
        try:
            outcome = decode_file(file.path, size, pixels=not free)
        except MediaError:
            continue
        if isinstance(outcome, DecodedImage):
            images.append(outcome)
        if time.monotonic() - started > _PROBE_S:
            break
    decoding = (time.monotonic() - started) / tried / (settings.workers or os.cpu_count() or 1)
    if free or not images:
        return decoding, f"a probe of {tried} pictures"
    loaded = library.open_model(settings, model)
    pixels = [image.pixels for image in images][:4]
    for _ in range(2):
        started = time.monotonic()
        loaded.embed_features(loaded.encode_images(loaded.preprocess_arrays(np.stack(pixels))))
        embedding = (time.monotonic() - started) / len(pixels)
    return max(decoding, embedding), f"a probe of {tried} pictures"
