"""Brings one library up to date: the composition of scan, pipeline and storage."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from imgsearch import app as library
from imgsearch import storage
from imgsearch.errors import LibraryBusy, LibraryMissing, ModelError, UsageError
from imgsearch.media.decode_pool import DecodePool
from imgsearch.progress import Progress, Silence
from imgsearch.records import is_model_free
from imgsearch.settings import Settings
from imgsearch.storage import Store
from imgsearch.storage.writer import Writer, writing
from imgsearch.wording import counted_are
from indexer.encoder import NoVectors, VectorSource, library_encoder
from indexer.facts import FactsRun
from indexer.forecast import Forecast, forecast, require_space
from indexer.pipeline import IngestPipeline, PipelineSettings
from indexer.report import RunSummary
from indexer.rereading import RereadRun
from indexer.run_context import RunContext
from indexer.scanning.scan import Scan, scan_target
from indexer.scanning.scan_scope import check_paths
from indexer.scanning.scope import Choice, ScanRoots, listed_patterns
from indexer.scanning.work_list import WorkList

# Listing a content of the catalog takes about 20 us, decoding an image 20 ms, so listing pays from this share on.
_LISTING_PAYS = 1000
_BATCH_UNKNOWN = 4  # of a model that is not there, so that its cost is unknown
_AHEAD = 96  # decoded images that may wait
_AHEAD_MODEL_FREE = 256
_BATCH_MODEL_FREE = 512  # a commit takes 10 ms and 0.1 ms an image
_PATIENCE_S, _PATIENCE_MODEL_FREE_S = 5.0, 2.0  # how long a half-full batch waits


OPTIONS = ("wait", "include", "exclude", "no_patterns", "recheck")
"""The options of an `IndexRequest` beside its paths and settings."""


@dataclass(frozen=True, slots=True)
class IndexRequest:
    """The options of `imgsearch index`. No paths: every root that the library knows. ``wait``: until another process
    that writes to the library has finished, instead of LibraryBusy. ``include``, ``exclude``: patterns, remembered for
    the folders that are named (see `media.pass_rules.Patterns`); ``no_patterns``: the remembered ones no longer hold.
    ``recheck``: contents are compared though size and time agree."""

    paths: Sequence[str]
    settings: Settings
    wait: bool = False
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    no_patterns: bool = False
    recheck: bool = False

    @property
    def choice(self) -> Choice:
        """The options about what to read."""
        return Choice(listed_patterns(self.exclude), listed_patterns(self.include), self.no_patterns, self.recheck)


def run_index(
    request: IndexRequest, progress: Progress | None = None, stop: Callable[[], bool] = lambda: False
) -> RunSummary:
    """Update the library from the request's paths, once. ``stop`` is called between batches.

    Raises UsageError, LibraryBusy, ModelMismatch, ModelUnavailable, StorageFull and other ImgsearchErrors; everything
    committed before stays.
    """
    with IndexRun(request, progress or Silence(), stop) as session:
        return session.update(request.paths)


class IndexRun:
    """An open library and, once an image needed it, a loaded model. The writer lock is held only during ``update``."""

    def __init__(self, request: IndexRequest, progress: Progress, stop: Callable[[], bool]) -> None:
        _keep_threads_quiet()
        self._settings = request.settings
        self._wait = request.wait
        self._progress = progress
        self._stop = stop
        request.choice.check()
        self.store = _open_or_create(request, progress.say)
        self.scope = ScanRoots(self.store, request.choice, progress.say)
        self._kept = library.feature_store(request.settings, self.store)
        self._model_free = is_model_free(self.store.model)
        self._encoder: VectorSource = (
            NoVectors() if self._model_free else library_encoder(request.settings, self.store, self._kept)
        )

    def __enter__(self) -> IndexRun:
        return self

    def __exit__(self, *raised: object) -> None:
        self._encoder.close()
        self.store.close()

    def update(self, paths: Sequence[str], *, named: bool = True) -> RunSummary:
        """Scan and ingest ``paths`` (none: all roots). ``named``: a person named them, else they are places that
        changed. Raises the errors of ``run_index``."""
        started = time.monotonic()
        with self._writing() as writer:
            targets = self.scope.targets(writer, paths, named=named)
            summary = RunSummary(str(self.store.path), self.store.model.name)
            summary.roots = list(dict.fromkeys(str(target.path) for target in targets))
            if named and (note := self.scope.note(targets)):
                summary.notes.append(note)
            writer.record_event("index-started", {"paths": summary.as_dict()["roots"]})
            try:
                scans = [scan_target(self.store, target, self._stop, self._walked) for target in targets]
                if named and not self._stop():
                    summary.notes += self.scope.needless(scan.used for scan in scans)
                summary.scan_seconds = round(time.monotonic() - started, 3)
                self._note_scans(writer, scans, summary)
                context = RunContext(self.store, writer, self._encoder, summary, self._progress, self._stop, self._kept)
                self._ingest(context, scans)
                self._renew(context, scans)
            finally:
                self._progress.close()
            summary.interrupted = self._stop() and (summary.remaining > 0 or summary.unfinished)
            stats = self.store.stats()
            summary.images, summary.files, summary.library_bytes = stats.images, stats.files, stats.total_bytes
            summary.seconds = round(time.monotonic() - started, 3)
            writer.record_event("index-finished", summary.as_dict())
        return summary

    def _walked(self, files: int) -> None:
        self._progress("walking", files, 0)

    def _renew(self, context: RunContext, scans: list[Scan]) -> None:
        """Renews facts first (sidecars, and headers that an older program read), then images that look different."""
        workers, recheck = self._settings.workers, any(scan.target.recheck for scan in scans)
        facts = FactsRun(context, workers, recheck)
        facts.run(scans)
        self._encoder.expect(len(facts.again))
        batch_size = self._batching(len(facts.again)).batch_size
        pool = partial(
            DecodePool, self.store.model.image_size, pixels=not self._model_free, workers=workers, stop=self._stop
        )
        RereadRun(context, pool, batch_size).run(facts.again)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Writer]:
        """The writer lock; says that it waits if it does."""
        with contextlib.ExitStack() as held:
            try:
                writer = held.enter_context(writing(self.store))
            except LibraryBusy as busy:
                if not self._wait:
                    raise
                self._progress.say(f"{busy.message}: waiting")
                writer = self._wait_for_lock(held)
            yield writer

    def _wait_for_lock(self, held: contextlib.ExitStack) -> Writer:
        """In short waits, so that ``stop`` ends it."""
        while True:
            try:
                return held.enter_context(writing(self.store, wait_s=0.5))
            except LibraryBusy:
                if self._stop():
                    raise

    def _note_scans(self, writer: Writer, scans: list[Scan], summary: RunSummary) -> None:
        """Count what the walks found, and keep the roots' offline marks true."""
        for scan in scans:
            root = scan.target.root
            summary.unfinished |= scan.cut
            summary.seen += scan.seen
            summary.unchanged += scan.unchanged
            summary.failed += scan.failed_before
            summary.failed_before += scan.failed_before
            summary.other_files += scan.other_files
            summary.hidden_folders += scan.hidden_folders
            summary.passed.merge(scan.passed)
            for words, folders in scan.program_folders.items():
                summary.program_folders[words] = summary.program_folders.get(words, 0) + folders
            if scan.offline:
                summary.offline.append({"path": str(root.path), "reason": scan.offline})
                self._progress.say(f"{root.path} is offline: {scan.offline}; everything of it is kept")
            else:
                summary.unreadable += [{"path": path, "reason": reason} for path, reason in scan.unreadable]
            if bool(scan.offline) != root.offline:
                writer.set_root_offline(root.root_id, bool(scan.offline))
                kind = "root-offline" if scan.offline else "root-online"
                writer.record_event(kind, {"root_id": root.root_id})

    def _ingest(self, context: RunContext, scans: list[Scan]) -> None:
        """Moved files first, so that their images never leave the results; then deletions; then the long part."""
        work = self._work_list(scans)
        batching = self._batching(work.count)
        ahead = _AHEAD_MODEL_FREE if self._model_free else max(_AHEAD, 3 * batching.batch_size)
        new = work.probably_new()
        if new:
            require_space(new, self.store.model, self.store.dtype, self.store.path)
        outlook = Forecast(new, ahead, lambda each: self._say_forecast(new, each))
        size, workers = self.store.model.image_size, self._settings.workers
        with contextlib.closing(
            DecodePool(size, pixels=not self._model_free, workers=workers, ahead=ahead, stop=self._stop)
        ) as pool:  # its workers start with the first job
            pipeline = IngestPipeline(context, pool, work, batching, outlook.measured)
            if work.count:
                self._encoder.expect(work.count)
                context.writer.record_event("index-planned", {"files": work.count})
                what = "compared with what is known" if any(s.target.recheck for s in scans) else "new or changed"
                self._progress.say(f"{work.count:,} of {counted_are(context.summary.seen, 'picture')} {what}")
                self._progress("reading", 0, work.count)
                pipeline.run(work.files(suspects=True))
            if not self._stop():
                pipeline.remove_missing(scans)
            if work.count:
                pipeline.run(work.files(suspects=False))

    def _say_forecast(self, images: int, seconds_each: float) -> None:
        self._progress.say(forecast(images, seconds_each, self.store.model, self.store.dtype, self.store.path))

    def _work_list(self, scans: list[Scan]) -> WorkList:
        missing = [state for scan in scans for state in scan.missing]
        work = WorkList(scans, missing_images=Counter(state.image_id for state in missing))
        work.missing_sizes = {state.size_bytes for state in missing}
        if not work.count:
            return work
        sizes, counts = np.unique(np.concatenate([scan.pending.sizes for scan in scans]), return_counts=True)
        work.repeated_sizes = frozenset(sizes[counts > 1].tolist())
        if work.count * _LISTING_PAYS >= self.store.stats().images:
            records = self.store.iter_images()
        else:
            records = iter(self.store.images(work.missing_images).values())
        wanted = set(sizes.tolist())
        for record in records:
            if record.facts.size_bytes in wanted:
                work.hashes_by_size.setdefault(record.facts.size_bytes, set()).add(record.facts.content_hash)
        return work

    def _batching(self, images: int) -> PipelineSettings:
        """For ``images`` to decode. Their model is looked at only if there are any; if it cannot be found, the encoder
        says so as soon as one of them needs it."""
        if self._model_free:
            size = self._settings.batch_size or _BATCH_MODEL_FREE
            return PipelineSettings(size, patience_s=_PATIENCE_MODEL_FREE_S)
        try:
            profile = library.runtime_profile(self._settings, self.store.model) if images else None
        except ModelError:
            profile = None
        size = self._settings.batch_size or (_BATCH_UNKNOWN if profile is None else profile.batch_size)
        overlap = profile is not None and profile.overlaps_commits
        return PipelineSettings(size, overlap_commit=overlap, patience_s=_PATIENCE_S)


def _keep_threads_quiet() -> None:
    """Before torch is loaded. Its threads would spin while they wait for one another, on cores that the decoders need:
    on 2 busy cores a run took about 3 % (small PNGs) to 13 % (12-megapixel JPEGs) more CPU seconds that way."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _open_or_create(request: IndexRequest, told: Callable[[str], None]) -> Store:
    """The library, made if need be, once all that can be wrong with the request is known not to be."""
    settings = request.settings
    if settings.batch_size < 0 or settings.workers < 0:
        raise UsageError("--batch-size and --workers are numbers of at least 0", "leave them out to have them chosen")
    if (found := _opened(request)) is not None:
        store = library.rebound(settings, found)
        try:
            if settings.model:
                named = replace(settings, dtype=store.model.dtype) if settings.dtype == "auto" else settings
                store.require_model(library.model_id(named, store.model))
        except BaseException:
            store.close()
            raise
        return store
    if not request.paths:
        raise UsageError(f"there is no library in {settings.library} yet", "name a folder: imgsearch index FOLDER")
    check_paths(request.paths, settings.library, [])
    library.prepare_model(settings, request.paths, told)
    return library.create_store(settings, library.model_id(settings))


def _opened(request: IndexRequest) -> Store | None:
    """The library, if there is one. One whose making was cut short counts as none, where it can be made again."""
    if not storage.library_exists(request.settings.library):
        return None
    try:
        return library.open_store(request.settings)
    except LibraryMissing:
        if not request.paths:
            raise
        return None
