"""Joins libraries of one model into a new one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from imgsearch import storage
from imgsearch.errors import ModelMismatch, StorageFull, UsageError
from imgsearch.progress import Progress
from imgsearch.records import ModelId
from imgsearch.storage import Store
from imgsearch.storage.upkeep.catalog_move import check_database, move_catalog
from imgsearch.storage.upkeep.merging import copy_images
from imgsearch.storage.upkeep.sealing import seal_library
from imgsearch.wording import counted, one_line
from indexer.forecast import bytes_for, free_bytes, size_text
from indexer.jobs.library.exchange import put_in_place
from indexer.jobs.shards.writer import writing_job
from indexer.jobs.spec import JobLayout


@dataclass(frozen=True, slots=True)
class Merged:
    """A merged library; ``copies`` are images that an earlier one of the libraries had too."""

    library: str
    images: int
    files: int
    copies: int

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)

    def text(self) -> str:
        """For a person."""
        return one_line(
            f"{self.library}: {counted(self.images, 'picture')} in {counted(self.files, 'file')}; "
            f"{counted(self.copies, 'picture')} were in several libraries. Search indexes and decisions about "
            "duplicates stay in the libraries that they were made in."
        )


def merge_libraries(folders: Sequence[Path], output: Path, progress: Progress, *, catalog_url: str = "") -> Merged:
    """Make the library ``output`` of all pictures of ``folders``, which are libraries or jobs that published one. They
    stay as they are. Vectors are stored as the first library stores them. The result appears at once, when it is
    complete. ``catalog_url``: an empty PostgreSQL database, into which its catalog is moved then. Raises
    LibraryMissing, ModelMismatch for a library of another model, UsageError, StorageFull, and what `move_catalog`
    raises."""
    target = Path(os.path.abspath(output))  # noqa: PTH100
    places = [library_in(folder) for folder in folders]
    _check(target, places)
    if catalog_url:
        check_database(target, catalog_url)
    made = target.with_name(f".{target.name}.merging")
    with writing_job(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(made, ignore_errors=True)
    try:
        merged = _fill(made, places, str(target), progress)
        seal_library(made)
        with writing_job(target):
            put_in_place(made, target)
    finally:
        shutil.rmtree(made, ignore_errors=True)
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


def _fill(made: Path, places: Sequence[Path], name: str, progress: Progress) -> Merged:
    with storage.open_store(places[0]) as first:
        model, dtype, calibration = first.model, first.dtype, first.calibration()
    total = 0
    for place in places:  # before the first hour is spent
        with storage.open_store(place) as store:
            _require_model(store, places[0], model)
            total += store.stats().images
    needed, free = bytes_for(total, model, dtype), free_bytes(made.parent)
    if needed > free:
        raise StorageFull(
            f"the library needs about {size_text(needed)} in {made.parent}, and {size_text(free)} is free there",
            f"free {size_text(needed - free)}, or name another disk with --output",
        )
    done = 0

    def count(images: int) -> None:
        nonlocal done
        done += images
        progress("merging", done, total)

    with storage.create_store(made, model, dtype=dtype) as store, storage.writing(store) as writer:
        if calibration is not None:
            writer.set_calibration(calibration)
        for place in places:
            with storage.open_store(place) as source:
                copy_images(writer, source, count)
        progress.close()
        stats = store.stats()
    return Merged(name, stats.images, stats.files, total - stats.images)


def _require_model(store: Store, first: Path, model: ModelId) -> None:
    names = ("fingerprint", "recipe", "dtype", "query_tokens", "dims")
    if any(getattr(store.model, name) != getattr(model, name) for name in names):
        raise ModelMismatch(
            f"the library {store.path} is of the model {store.model.name!r} ({store.model.dtype}), "
            f"{first} of {model.name!r} ({model.dtype}): their vectors cannot be compared",
            "merge libraries of one model; pictures can be indexed again with another one",
        )
