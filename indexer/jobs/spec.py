"""What a job is: fixed when it is created, read by every driver and worker, and never changed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imgsearch.errors import LibraryMissing, LibraryUnsupported
from imgsearch.files import write_whole
from imgsearch.records import ModelId

JOB_FORMAT = 2
"""The newest format. Only a job that keeps features has it; others are of format 1, which older programs read too."""


@dataclass(frozen=True, slots=True)
class JobLayout:
    """The paths in a job's folder; touches nothing."""

    folder: Path

    @property
    def spec(self) -> Path:
        """Written last when a job is created: a job exists if this file does."""
        return self.folder / "job.json"

    @property
    def lists(self) -> Path:
        return self.folder / "inputs"

    @property
    def shards(self) -> Path:
        """Committed shards, and nothing else."""
        return self.folder / "shards"

    @property
    def work(self) -> Path:
        """Shards in the making."""
        return self.folder / "work"

    @property
    def claims(self) -> Path:
        return self.folder / "claims"

    @property
    def events(self) -> Path:
        return self.folder / "events"

    @property
    def library(self) -> Path:
        """Where `publish` puts the library unless it is told."""
        return self.folder / "library"

    @property
    def published(self) -> Path:
        """What was published last, and where."""
        return self.folder / "published.json"

    def list_of(self, shard: int) -> Path:
        return self.lists / f"{shard:06d}.jsonl"

    def shard(self, shard: int) -> Path:
        return self.shards / f"{shard:06d}"


@dataclass(frozen=True, slots=True)
class Shard:
    """One unit of work: ``count`` inputs, of which the list has the sha256 ``digest``. ``first``: the number of its
    first input in the whole job."""

    index: int
    first: int
    count: int
    digest: str


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A job. Small and picklable: it travels to every worker. ``folder``: where the job is, which may be another path
    on another machine. ``runtime``: what computes the model, on every machine. ``roots``: the folders that input names
    are below. ``made_at``: the only time in the published library: that of the newest input, so that the same inputs
    give the same bytes whenever the job runs. ``features``: each picture's features are kept for re-ranking."""

    folder: str
    inputs: tuple[str, ...]
    model: ModelId
    model_name: str
    device: str
    runtime: str
    batch_size: int
    shard_size: int
    roots: tuple[str, ...]
    shards: tuple[Shard, ...]
    made_at: str
    features: bool = False

    @property
    def layout(self) -> JobLayout:
        return JobLayout(Path(self.folder))

    @property
    def count(self) -> int:
        """All inputs."""
        return sum(shard.count for shard in self.shards)

    @property
    def job_id(self) -> str:
        """Sixteen letters that two jobs share only if all that decides their results is equal."""
        return hashlib.sha256(_dump(self).encode("ascii")).hexdigest()[:16]


def save_spec(spec: JobSpec) -> None:
    """Write the specification; from now on the job exists."""
    write_whole(spec.layout.spec, (_dump(spec) + "\n").encode("ascii"))


def open_job(folder: Path) -> JobSpec:
    """The job in ``folder``. Raises LibraryMissing, LibraryUnsupported."""
    path = JobLayout(folder).spec
    try:
        data = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise LibraryMissing(
            f"there is no job in {folder}", f"make one: imgsearch job create --input FOLDER --output {folder}"
        ) from exc
    except ValueError as exc:
        raise LibraryUnsupported(f"{path} is no job's specification: {exc}", "create the job again") from exc
    if not isinstance(data, dict) or data.get("format", 0) > JOB_FORMAT:
        raise LibraryUnsupported(
            f"{path} has another format than {JOB_FORMAT}, the newest that this program reads",
            "install a newer imgsearch",
        )
    try:
        return _load(data, Path(os.path.abspath(folder)))  # noqa: PTH100
    except (KeyError, TypeError, ValueError) as exc:
        raise LibraryUnsupported(
            f"{path} is no job's specification: {type(exc).__name__} {exc}", "create the job again"
        ) from exc


def time_text(time_ns: int) -> str:
    """ISO 8601, UTC, as the catalog writes it; within the years 1970 to 9999."""
    seconds = max(0, min(time_ns // 10**6, 253_402_300_799_999)) / 1000
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _dump(spec: JobSpec) -> str:
    data: dict[str, Any] = {"format": JOB_FORMAT if spec.features else 1}
    data |= {field.name: getattr(spec, field.name) for field in dataclasses.fields(spec) if field.name != "folder"}
    if not spec.features:
        del data["features"]
    data["model"] = dataclasses.asdict(spec.model)
    data["shards"] = [[shard.count, shard.digest] for shard in spec.shards]
    return json.dumps(data, indent=1)


def _load(data: dict[str, Any], folder: Path) -> JobSpec:
    shards, first = [], 0
    for index, (count, digest) in enumerate(data["shards"]):
        shards.append(Shard(index, first, count, digest))
        first += count
    return JobSpec(
        str(folder),
        tuple(data["inputs"]),
        ModelId(**data["model"]),
        data["model_name"],
        data["device"],
        data["runtime"],
        data["batch_size"],
        data["shard_size"],
        tuple(data["roots"]),
        tuple(shards),
        data["made_at"],
        bool(data.get("features", False)),
    )
