"""Committed shards -> an ordinary library, in the order of the ledger.

The library is built beside its place from nothing, in one pass and without a clock, so its bytes depend on the inputs
and the model alone. A content that several shards embedded keeps the vectors of its first input; the others become
files of it. One rename puts the finished folder in its place.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from imgsearch import storage
from imgsearch.errors import LibraryError, StorageFull, UsageError
from imgsearch.files import reached, write_whole
from imgsearch.media.facts.names import date_of_file
from imgsearch.progress import Progress
from imgsearch.records import Float32, MediaFacts, Word, is_model_free
from imgsearch.storage import EmbeddedBatch, FailedFile, FeatureStore, FilePlace
from imgsearch.storage.catalog.database import fixed_clock
from imgsearch.storage.catalog.facts import FileDate, SidecarFacts
from imgsearch.storage.upkeep.catalog_move import check_database, is_moved, move_catalog
from imgsearch.storage.upkeep.sealing import seal_library
from imgsearch.storage.writer import Writer
from indexer.forecast import bytes_for, free_bytes, size_text
from indexer.jobs.claims import driving
from indexer.jobs.inputs.rows import InputRow
from indexer.jobs.ledger import JobSums, done_shards, read_list, sums_of
from indexer.jobs.library.exchange import put_in_place, put_interrupted_back
from indexer.jobs.library.record import PublishedRecord, catalog_digest
from indexer.jobs.shards.reader import ShardReader, ShardRow
from indexer.jobs.shards.results import Beside, Copied, Embedded, Failed
from indexer.jobs.shards.writer import features_bytes_of, writing_job
from indexer.jobs.spec import JobSpec, Shard, open_job

_COMMIT_INPUTS = 2000  # inputs of a transaction: 32 MB of vectors with BLIP-2; fixed, since batch rows are bytes too
_RESERVE_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Published:
    """A published library. ``sums``: the account of all shards together; ``images``: contents; ``files``: inputs that
    hold them, each path once. ``missing``: shards that were not
    done. ``searchable``: it has vectors. ``already``: it stood there before, equal."""

    folder: Path
    sums: JobSums
    images: int
    files: int
    missing: tuple[int, ...]
    searchable: bool
    already: bool = False


def publish_job(
    folder: Path, to: Path | None, progress: Progress, *, partial: bool = False, catalog_url: str = ""
) -> Published:
    """Make the job's library at ``to`` (default: in the job's folder). ``partial``: also if shards are missing; then
    their inputs are in the library's failures, and publishing again later replaces it. ``catalog_url``: an empty
    PostgreSQL database, into which the finished library's catalog is moved. Raises LibraryError for a job
    that is not complete, LibraryBusy while it runs, SegmentDamaged for a shard that is not what was written,
    StorageFull, UsageError for a place that holds something else, and what `move_catalog` raises."""
    spec = open_job(folder)
    target = Path(os.path.abspath(to or spec.layout.library))  # noqa: PTH100
    if catalog_url:
        check_database(target, catalog_url)
    with driving(folder, (1, 1)):
        made = _publish(spec, target, progress, partial=partial, catalog_url=catalog_url)
        if catalog_url:
            move_catalog(target, catalog_url, lambda rows, total: progress("copying rows", rows, total))
            progress.close()
        return made


def _publish(spec: JobSpec, target: Path, progress: Progress, *, partial: bool, catalog_url: str) -> Published:
    """The library in its place, its catalog in a file, unless that was moved to ``catalog_url`` before."""
    done = done_shards(spec)
    sums = sums_of(spec.shards, done.values())
    missing = tuple(shard.index for shard in spec.shards if shard.index not in done)
    if missing and not partial:
        raise _incomplete(spec, sums)
    put_interrupted_back(target)
    searchable = not is_model_free(spec.model)
    record = PublishedRecord.read(spec)
    if is_moved(target, catalog_url) and record.folder == str(target) and record.missing == list(missing):
        return _published(target, sums, record, missing, searchable, already=True)
    ours = target.exists() and record.describes(target)
    if ours and record.missing == list(missing):
        return _published(target, sums, record, missing, searchable, already=True)
    built = _build_beside(spec, target, set(missing), progress)
    already = target.exists() and not ours and catalog_digest(target) == catalog_digest(built.folder)
    if already:
        shutil.rmtree(built.folder)
    else:
        if target.exists() and not ours and not _empty(target):
            shutil.rmtree(built.folder)
            raise _occupied(target)
        with writing_job(target):
            put_in_place(built.folder, target)
        reached("job-library-placed")
    record = PublishedRecord(str(target), list(missing), catalog_digest(target), built.images, built.files)
    record.write(spec)
    return _published(target, sums, record, missing, searchable, already=already)


@dataclass(slots=True)
class _Built:
    folder: Path
    images: int = 0
    files: int = 0


def _build_beside(spec: JobSpec, target: Path, missing: set[int], progress: Progress) -> _Built:
    """A finished, sealed library beside ``target``."""
    folder = target.with_name(f".{target.name}.publishing")
    with writing_job(target.parent):
        shutil.rmtree(folder, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
    needed = bytes_for(spec.count, spec.model, "float16") + features_bytes_of(spec) + _RESERVE_BYTES
    free = free_bytes(target.parent)
    if needed > free:
        raise StorageFull(
            f"the library needs up to {size_text(needed)} in {target.parent}, and {size_text(free)} is free there",
            f"free {size_text(needed - free)}, or publish to another disk with --to DIR",
        )
    built = _Built(folder)
    with fixed_clock(spec.made_at):
        with storage.create_store(folder, spec.model) as store, storage.writing(store) as writer:
            _Builder(spec, writer, progress).run(missing)
            stats = store.stats()
            built.images, built.files = stats.images, stats.files
        reached("job-library-built")
        seal_library(folder)
    reached("job-library-sealed")
    progress.close()
    return built


@dataclass(slots=True)
class _Pending:
    """What the next transaction writes."""

    facts: list[MediaFacts] = field(default_factory=list)
    vectors: list[Float32] = field(default_factory=list)
    places: list[list[FilePlace]] = field(default_factory=list)
    signatures: list[bytes] = field(default_factory=list)
    words: list[tuple[Word, ...]] = field(default_factory=list)
    copies: list[tuple[FilePlace, str | int]] = field(default_factory=list)
    sidecars: list[SidecarFacts] = field(default_factory=list)
    failed: list[FailedFile] = field(default_factory=list)
    inputs: int = 0


class _Builder:
    """Fills a new library from shards, in order."""

    def __init__(self, spec: JobSpec, writer: Writer, progress: Progress) -> None:
        self._spec, self._writer, self._progress = spec, writer, progress
        self._roots = [writer.add_root(Path(root)).root_id for root in spec.roots]
        self._pending = _Pending()
        self._features = FeatureStore(writer.store.layout.features, spec.model, None)
        if spec.features:
            self._features.keep_all(True)
        self._done = 0

    def run(self, missing: set[int]) -> None:
        for shard in self._spec.shards:
            for row, made in self._rows(shard, missing):
                self._add(row, made)
                if self._pending.inputs >= _COMMIT_INPUTS:
                    self._commit()
        self._commit(last={"job": self._spec.job_id, "inputs": self._spec.count, "missing_shards": sorted(missing)})

    def _rows(self, shard: Shard, missing: set[int]) -> Iterator[tuple[InputRow, ShardRow]]:
        rows = read_list(self._spec, shard)
        if shard.index in missing:
            for row in rows:
                reason = f"shard {shard.index} of its job was not done when the library was published"
                yield row, ShardRow(Failed("read", reason, True, row.size_bytes, row.mtime_ns))
            return
        yield from zip(rows, ShardReader(self._spec, shard), strict=True)

    def _add(self, row: InputRow, made: ShardRow) -> None:
        pending, result = self._pending, made.result
        pending.inputs += 1
        if isinstance(result, Embedded):
            assert made.vectors is not None
            self._keep_features(result, made.features)
            pending.facts.append(result.facts)
            pending.vectors.append(made.vectors)
            pending.places.append([self._place(row, result.facts.size_bytes, result.mtime_ns, result.beside)])
            pending.signatures.append(made.signature)
            pending.words.append(result.words)
        elif isinstance(result, Copied):
            place = self._place(row, result.size_bytes, result.mtime_ns, result.beside)
            pending.copies.append((place, result.content_hash))
        elif isinstance(result, Failed):
            where = self._roots[row.root], row.path
            size, time_ns = max(result.size_bytes, 0), result.mtime_ns
            pending.failed.append(FailedFile(*where, result.stage, result.reason, result.transient, size, time_ns))

    def _keep_features(self, result: Embedded, features: bytes) -> None:
        """Those of a content's first input, like its vectors; at once, as two thousand are 700 MB with BLIP-2."""
        if features and not (path := self._features.place(result.facts.shown_key)).exists():
            with writing_job(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, features, mode=0o600, durable=False)

    def _place(self, row: InputRow, size_bytes: int, mtime_ns: int, beside: Beside | None) -> FilePlace:
        """The file's place; what its sidecars say is written with it."""
        date = date_of_file(os.path.basename(row.path or self._spec.roots[row.root]), mtime_ns)  # noqa: PTH119
        root_id = self._roots[row.root]
        if beside is not None:
            told = beside.facts
            known = (told.taken_at, told.taken_source) if told.taken_at is not None else date
            self._pending.sidecars.append(SidecarFacts(FileDate(root_id, row.path, *known), beside.digest, told))
        return FilePlace(root_id, row.path, size_bytes, mtime_ns, *date)

    def _commit(self, last: dict[str, Any] | None = None) -> None:
        pending, self._pending = self._pending, _Pending()
        with self._writer.transaction() as transaction:
            if pending.facts:
                stacked = np.stack(pending.vectors)
                transaction.add(
                    EmbeddedBatch(pending.facts, stacked, pending.places, pending.signatures, pending.words)
                )
            transaction.place_files(pending.copies)
            transaction.facts.sidecars += pending.sidecars
            transaction.record_failures(pending.failed)
            if last is not None:
                transaction.record_event("job-published", last)
            transaction.commit()
        self._done += pending.inputs
        self._progress("publishing", self._done, self._spec.count)


def _published(
    target: Path, sums: JobSums, record: PublishedRecord, missing: tuple[int, ...], searchable: bool, *, already: bool
) -> Published:
    """With the account as published: a content that several shards embedded counts once."""
    copies = sums.copies + sums.embedded - record.images
    final = replace(sums, embedded=record.images, copies=copies)
    return Published(target, final, record.images, record.files, missing, searchable, already)


def _empty(folder: Path) -> bool:
    return folder.is_dir() and next(folder.iterdir(), None) is None


def _incomplete(spec: JobSpec, sums: JobSums) -> LibraryError:
    return LibraryError(
        f"the job {spec.folder} is not complete: {sums.shards_done} of {sums.shards} shards are done, "
        f"{sums.pending:,} of {sums.inputs:,} inputs are pending",
        f"imgsearch job resume {spec.folder} goes on; `publish --partial` publishes what there is and records the rest",
    )


def _occupied(target: Path) -> UsageError:
    return UsageError(
        f"{target} holds a library that is not as this job published it, or something else: it stays as it is",
        "publish beside it with --to DIR; `imgsearch job merge` joins libraries of one model",
    )
