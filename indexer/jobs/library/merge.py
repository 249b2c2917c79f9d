"""Joins libraries of one model into a new one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from imgsearch import storage
from imgsearch.errors import CatalogUnreachable, ImgsearchError, LibraryBusy, ModelMismatch, StorageFull, UsageError
from imgsearch.files import writer_lock
from imgsearch.progress import Progress
from imgsearch.records import ModelId
from imgsearch.storage import Store
from imgsearch.storage.layout import LibraryLayout
from imgsearch.storage.upkeep.carried_features import keep_all_features, keeps_all_features, kept_features
from imgsearch.storage.upkeep.catalog_move import check_database, move_catalog
from imgsearch.storage.upkeep.merging import CopyStanding, copy_images
from imgsearch.storage.upkeep.sealing import seal_library
from imgsearch.storage.writer import Writer
from imgsearch.wording import counted, one_line
from indexer.forecast import bytes_for, free_bytes, size_text
from indexer.jobs.library.exchange import put_in_place
from indexer.jobs.library.standing import MergeStanding
from indexer.jobs.shards.writer import writing_job
from indexer.jobs.spec import JobLayout


@dataclass(frozen=True, slots=True)
class Merged:
    """A merged library; ``copies`` are images that an earlier one of the libraries had too, ``features`` those that
    re-rank at once, from what was kept of them."""

    library: str
    images: int
    files: int
    copies: int
    features: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)

    def text(self) -> str:
        """For a person."""
        kept = f" Features of {counted(self.features, 'picture')} came along." if self.features else ""
        return one_line(
            f"{self.library}: {counted(self.images, 'picture')} in {counted(self.files, 'file')}; "
            f"{counted(self.copies, 'picture')} were in several libraries.{kept} Search indexes and decisions about "
            "duplicates stay in the libraries that they were made in."
        )


def merge_libraries(folders: Sequence[Path], output: Path, progress: Progress, *, catalog_url: str = "") -> Merged:
    """Make the library ``output`` of all pictures of ``folders``, which are libraries or jobs that published one. They
    stay as they are. Vectors are stored as the first library stores them. The result appears at once, when it is
    complete; a merge that was stopped, by a kill or a full disk, goes on where it was if the libraries are as they
    were. ``catalog_url``: an empty PostgreSQL database, into which its catalog is moved then. Raises
    LibraryMissing, ModelMismatch for a library of another model, UsageError, StorageFull, and what `move_catalog`
    raises."""
    target = Path(os.path.abspath(output))  # noqa: PTH100
    places = [library_in(folder) for folder in folders]
    _check(target, places)
    if catalog_url:
        check_database(target, catalog_url)
    made = target.with_name(f".{target.name}.merging")
    sources = _looked_at(places)
    with writing_job(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
    try:
        merged = replace(_fill(made, sources, progress), library=str(target))
        seal_library(made)
        MergeStanding.forget(made)
        with writing_job(target):
            put_in_place(made, target)
    except (StorageFull, LibraryBusy, CatalogUnreachable):
        raise  # the same command goes on, or another process does
    except ImgsearchError:
        shutil.rmtree(made, ignore_errors=True)
        raise
    if catalog_url:
        move_catalog(target, catalog_url, lambda rows, total: progress("copying rows", rows, total))
        progress.close()
    return merged


def library_in(folder: Path) -> Path:
    """The library that a folder is, or that the job in it published into its own folder."""
    layout = JobLayout(folder)
    return layout.library if layout.spec.is_file() and layout.library.is_dir() else folder


def _check(target: Path, places: Sequence[Path]) -> None:
    if target.exists() and not (target.is_dir() and next(target.iterdir(), None) is None):
        raise UsageError(f"{target} is there already, expected a new folder", "name another with --output")
    real = [os.path.realpath(place) for place in places]
    if twice := next((place for place in real if real.count(place) > 1), None):
        raise UsageError(f"received the library {twice} twice", "name every library once")


@dataclass(frozen=True, slots=True)
class _Sources:
    """The libraries, and what they say together; ``counts``: images of each."""

    places: Sequence[Path]
    model: ModelId
    dtype: str
    calibration: str | None
    counts: list[int]
    features_bytes: int
    keep_all: bool

    @property
    def images(self) -> int:
        return sum(self.counts)


def _looked_at(places: Sequence[Path]) -> _Sources:
    """All of them, before the first hour is spent. Raises ModelMismatch."""
    with storage.open_store(places[0]) as first:
        model, dtype, calibration = first.model, first.dtype, first.calibration()
    counts, kept, keep_all = [], 0, False
    for place in places:
        with storage.open_store(place) as store:
            _require_model(store, places[0], model)
            counts.append(store.stats().images)
            kept += kept_features(store)[1]
            keep_all = keep_all or keeps_all_features(store)
    return _Sources(places, model, dtype, calibration, counts, kept, keep_all)


def _fill(made: Path, sources: _Sources, progress: Progress) -> Merged:
    standing = MergeStanding.of(sources.places)
    if (left := standing.left_in(made)) is None:
        _clear(made)
    standing = left or standing
    _require_space(made, sources, standing.images)
    with _opened(made, sources, standing, begun=left is not None) as store, storage.writing(store) as writer:
        if sources.calibration is not None:
            writer.set_calibration(sources.calibration)
        if sources.keep_all:
            keep_all_features(store)
        for number in range(standing.whole, len(sources.places)):
            _copy(writer, sources, number, standing, progress)
            standing = replace(
                standing, whole=number + 1, within=CopyStanding(), images=sum(sources.counts[: number + 1])
            )
            standing.write(made)
        progress.close()
        stats = store.stats()
        return Merged("", stats.images, stats.files, sources.images - stats.images, kept_features(store)[0])


def _clear(made: Path) -> None:
    """Take away what a merge of other libraries left, unless it is at work. Raises LibraryBusy."""
    if made.is_dir():
        with writer_lock(LibraryLayout(made).lock):
            shutil.rmtree(made, ignore_errors=True)


def _require_space(made: Path, sources: _Sources, images: int) -> None:
    """For all but the first ``images``. Raises StorageFull."""
    left = 1 - images / sources.images if sources.images else 0.0
    needed = round(left * (bytes_for(sources.images, sources.model, sources.dtype) + sources.features_bytes))
    free = free_bytes(made.parent)
    if needed > free:
        raise StorageFull(
            f"the library needs about {size_text(needed)} in {made.parent}, and {size_text(free)} is free there",
            f"free {size_text(needed - free)}, or name another disk with --output",
        )


def _opened(made: Path, sources: _Sources, standing: MergeStanding, *, begun: bool) -> Store:
    if begun:
        return storage.open_store(made)
    store = storage.create_store(made, sources.model, dtype=sources.dtype)
    standing.write(made)
    return store


def _copy(writer: Writer, sources: _Sources, number: int, standing: MergeStanding, progress: Progress) -> None:
    """Go on with one library; ``standing`` is that of the whole merge."""
    made, done = writer.store.path, standing.images

    def count(images: int) -> None:
        nonlocal done
        done += images
        progress("merging", done, sources.images)

    def note(within: CopyStanding) -> None:
        replace(standing, within=within, images=done).write(made)

    with storage.open_store(sources.places[number]) as source:
        copy_images(writer, source, count, standing=standing.within, note=note)


_DIFFERENCES = {
    "fingerprint": "the weights",
    "recipe": "the recipe by which pictures are prepared",
    "dtype": "the arithmetic",
    "query_tokens": "the number of vectors a picture",
    "dims": "the length of a vector",
}


def _require_model(store: Store, first: Path, model: ModelId) -> None:
    """Vectors and kept features of both can stand beside each other. Raises ModelMismatch."""
    differing = [name for name in _DIFFERENCES if getattr(store.model, name) != getattr(model, name)]
    if not differing:
        return
    named = "; ".join(
        f"{_DIFFERENCES[name]}: {_shown(getattr(store.model, name))} there, {_shown(getattr(model, name))} here"
        for name in differing
    )
    hint = "merge libraries of one model; pictures can be indexed again with another one"
    if differing == ["recipe"]:
        hint = (
            "read the pictures of one of them again with this version: imgsearch index FOLDER --library NEW, then merge"
        )
    raise ModelMismatch(
        f"the library {store.path} is of the model {store.model.name!r}, {first} of {model.name!r}; they differ in "
        f"{named}: their vectors and kept features cannot be compared",
        hint,
    )


def _shown(value: object) -> str:
    """Fingerprints as far as people compare them."""
    return str(value)[:16]
