"""Creates a job: counts and names every input, and fixes all that decides the published library."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from imgsearch import app
from imgsearch.errors import LibraryMissing, UsageError
from imgsearch.extras import has_extra
from imgsearch.files import fsync_folder, reached
from imgsearch.model import check_model
from imgsearch.progress import Progress
from imgsearch.records import ModelId, is_model_free
from imgsearch.settings import Settings
from indexer.jobs.inputs.gather import Gathering
from indexer.jobs.inputs.listing import Passed
from indexer.jobs.inputs.rows import InputRow, row_line
from indexer.jobs.shards.writer import writing_job
from indexer.jobs.spec import JobLayout, JobSpec, Shard, open_job, save_spec, time_text

SHARD_SIZE = 10_000
"""Inputs a shard: with the small model about a minute and a half of two cores, 160 MB of vectors; a kill loses at most
that much a worker."""

_BATCH_MODEL_FREE = 512
_OUR_NAMES = {"inputs", "shards", "work", "claims", "events", "lock"}


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """The options of `imgsearch job create`. ``settings``: model, device, dtype and batch size are used; ``column``
    names the column of the paths in a manifest. ``features``: keep those of every picture for re-ranking."""

    inputs: Sequence[str]
    output: Path
    settings: Settings
    shard_size: int = SHARD_SIZE
    column: str = ""
    features: bool = False


@dataclass(frozen=True, slots=True)
class Created:
    """A new job, and what its sources passed over by rule."""

    spec: JobSpec
    passed: Passed


def create_job(request: CreateRequest, progress: Progress) -> Created:
    """Make the job's folder; the job exists from the moment that all of it is on the disk. Raises UsageError,
    ModelError, StorageFull."""
    layout = JobLayout(Path(os.path.abspath(request.output)))  # noqa: PTH100
    model, batch_size = identify_model(request, progress)
    gathering = gather(request, progress)
    _make_folders(layout)
    shards = tuple(_write_lists(layout, gathering, request.shard_size))
    if not shards:
        shutil.rmtree(layout.lists, ignore_errors=True)
        raise no_input(request.inputs)
    found = gathering.found
    spec = JobSpec(
        str(layout.folder),
        tuple(request.inputs),
        model,
        model_name(request.settings),
        request.settings.device,
        model_runtime(request.settings, model),
        batch_size,
        request.shard_size,
        tuple(found.roots),
        shards,
        time_text(found.newest_ns),
        request.features,
    )
    with writing_job(layout.folder):
        save_spec(spec)
    return Created(spec, found.passed)


def gather(request: CreateRequest, progress: Progress) -> Gathering:
    """The request's inputs, not read yet. Raises UsageError for a word that names nothing."""
    if request.shard_size < 1:
        raise UsageError(f"received a shard size of {request.shard_size}, expected 1 or more", "for example 10000")
    return Gathering(request.inputs, request.column, [request.output], lambda count: progress("walking", count, 0))


def no_input(words: Sequence[str]) -> UsageError:
    return UsageError(
        f"{', '.join(words)} holds no picture", "name a folder with pictures, a manifest, or archives: 'shards/*.tar'"
    )


def identify_model(request: CreateRequest, progress: Progress) -> tuple[ModelId, int]:
    """The model's identity and the images of a batch; loads no weights, unless the model must be exported first. Raises
    ModelError."""
    settings = request.settings
    app.prepare_model(settings, request.inputs, progress.say)
    model = app.model_id(settings)
    if is_model_free(model):
        if request.features:
            raise UsageError("a job without a model has no features to keep", "leave --features out")
        return model, settings.batch_size or _BATCH_MODEL_FREE
    check_model(settings.model or model.name)
    return model, settings.batch_size or app.runtime_profile(settings).batch_size


def model_runtime(settings: Settings, model: ModelId) -> str:
    """What computes the model from now on, so that an export or a package that comes later changes no rounding."""
    if settings.runtime != "auto" or is_model_free(model):
        return settings.runtime
    if app.runtime_profile(settings, model).runtime == "openvino":
        return "openvino"
    return "torch" if has_extra("torch") else "numpy"


def model_name(settings: Settings) -> str:
    """What loads the model from any folder: a path becomes absolute."""
    name = settings.model or app.DEFAULT_MODEL
    return os.path.abspath(name) if Path(name).exists() else name  # noqa: PTH100


def _make_folders(layout: JobLayout) -> None:
    try:
        open_job(layout.folder)
    except LibraryMissing:
        pass
    else:
        raise UsageError(
            f"there is a job in {layout.folder} already",
            f"go on with it: imgsearch job run {layout.folder}; or name another folder with --output",
        )
    if layout.folder.exists():
        if not layout.folder.is_dir():
            raise UsageError(f"{layout.folder} is a file, expected a folder for the job", "name another with --output")
        others = sorted({path.name for path in layout.folder.iterdir()} - _OUR_NAMES)
        if others:
            raise UsageError(
                f"{layout.folder} holds other things ({others[0]}), expected a new or empty folder for the job",
                "name another with --output",
            )
    with writing_job(layout.folder):
        shutil.rmtree(layout.lists, ignore_errors=True)  # of a killed one
        for folder in (layout.lists, layout.shards, layout.work, layout.claims, layout.events):
            folder.mkdir(parents=True, exist_ok=True)


def write_list(layout: JobLayout, index: int, first: int, rows: Sequence[InputRow]) -> Shard:
    """Write the list of one shard. Raises StorageFull."""
    content = b"".join(map(row_line, rows))
    with writing_job(layout.lists), layout.list_of(index).open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Shard(index, first, len(rows), hashlib.sha256(content).hexdigest())


def _write_lists(layout: JobLayout, rows: Iterable[InputRow], shard_size: int) -> Iterator[Shard]:
    source, index = iter(rows), 0
    while chunk := list(islice(source, shard_size)):
        yield write_list(layout, index, index * shard_size, chunk)
        reached("job-list-written")
        index += 1
    with writing_job(layout.lists):
        fsync_folder(layout.lists)
