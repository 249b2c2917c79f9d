"""`imgsearch models`: what is known, what is on disk, what it needs and how fast it is here; `imgsearch models pull
NAME` fetches one, `imgsearch models export NAME` prepares one for OpenVINO."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

from imgsearch.cli.command import Command
from imgsearch.cli.model_runtimes import add_export, exports_in_words, processor_in_words, run_export, timed_once
from imgsearch.cli.output.progress import phases
from imgsearch.cli.tuning.listing import tuned_as_json, tuned_lines
from imgsearch.errors import CheckpointInvalid, ModelUnavailable
from imgsearch.extras import has_extra
from imgsearch.model import known_models, profile_for
from imgsearch.model.checkpoints.identity import config_of, config_shape
from imgsearch.model.checkpoints.known import KnownModel
from imgsearch.model.checkpoints.pull import pull_model
from imgsearch.model.checkpoints.resolve import ResolvedCheckpoint, find_source, is_here
from imgsearch.model.memory import available_bytes
from imgsearch.model.runtime_profile import RuntimeProfile
from imgsearch.model.runtimes.choice import index_bytes, published_profile
from imgsearch.model.runtimes.openvino.exports import ExportedPart, part_as_json
from imgsearch.model.runtimes.openvino.opening import exports_of
from imgsearch.progress import StageProgress
from imgsearch.tuning.lineage import tuned_models
from imgsearch.wording import describe_pace, describe_size


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One known model as this computer has it. ``state``: "on disk", "not here", "incomplete" or "damaged"."""

    model: KnownModel
    state: str
    path: Path | None
    size_bytes: int
    image_size: int
    note: str
    memory_bytes: int  # that an `imgsearch index` takes here
    profile: RuntimeProfile | None = None  # what would run here; None where the files do not tell
    exports: tuple[ExportedPart, ...] = ()  # for OpenVINO


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    verbs = parser.add_subparsers(dest="verb", metavar="pull|export")
    pull = verbs.add_parser(
        "pull", help="fetch a model's files, checked by their hashes; goes on where an earlier try stopped"
    )
    pull.add_argument("name", metavar="NAME", help="blip2, blip2-coco, blip2-vitl or a Hugging Face id (owner/name)")
    pull.add_argument("--again", action="store_true", help="ask whether there is a newer one than the one on disk")
    pull.add_argument("--quiet", action="store_true", help="no bar and no messages on stderr")
    add_export(verbs)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked."""
    if arguments.verb == "pull":
        with phases(arguments) as told:
            pulled = pull_model(arguments.name, in_megabytes(told), again=arguments.again)
        print(f"{arguments.name} is {'already here: ' if pulled.already else 'in '}{pulled.folder}")
        print(f"next: imgsearch index --model {arguments.name} FOLDER")
        return 0
    if arguments.verb == "export":
        return run_export(arguments)
    timed_once()
    rows = [describe(model) for model in known_models()]
    tuned = tuned_models()
    if arguments.json:
        print(json.dumps([*map(_as_json, rows), *map(tuned_as_json, tuned)], indent=2))
    else:
        print("\n".join([_as_table(rows), *tuned_lines(tuned)]))
    return 0


def in_megabytes(told: StageProgress) -> StageProgress:
    """Tells of bytes in millions."""
    return lambda what, done, total: told(f"{what} (MB)", done // 1_000_000, max(1, total // 1_000_000))


def describe(model: KnownModel) -> ModelRow:
    """Look at the disk for one model; loads nothing."""
    if not is_here(model):
        profile = published_profile(model)
        return ModelRow(model, "not here", None, 0, model.image_size, "", index_bytes(model, profile, None), profile)
    try:
        source = find_source(model.name)
        _, _, image_size = config_shape(config_of(source), source.path, None)
        profile = profile_for(model.name)
        exports = exports_of(source, None)
    except ModelUnavailable as error:
        return ModelRow(model, "incomplete", None, 0, model.image_size, error.message, model.memory_bytes)
    except CheckpointInvalid as error:
        return ModelRow(model, "damaged", None, 0, model.image_size, error.message, model.memory_bytes)
    whole = tuple(part for part in exports.parts.values() if exports.is_whole(part))
    memory = index_bytes(model, profile, source)
    return ModelRow(model, "on disk", source.path, _size(source), image_size, "", memory, profile, whole)


def _size(source: ResolvedCheckpoint) -> int:
    return sum(path.stat().st_size for path in (*source.weights, *source.companions))


def _as_json(row: ModelRow) -> dict[str, object]:
    return {
        "name": row.model.name,
        "repository": row.model.repository,
        "files": list(row.model.files),
        "state": row.state,
        "path": str(row.path) if row.path else None,
        "size_bytes": row.size_bytes,
        "download_bytes": row.model.download_bytes,
        "memory_bytes": row.memory_bytes,
        "image_size": row.image_size,
        "about": row.model.about,
        "note": row.note,
        "here": None if row.profile is None else _profile_as_json(row.profile),
        "exports": [part_as_json(part) for part in row.exports],
    }


def _profile_as_json(profile: RuntimeProfile) -> dict[str, object]:
    return {
        "runtime": profile.runtime,
        "device": profile.device,
        "dtype": profile.dtype,
        "loss": profile.loss,
        "image_gflop": round(profile.image_gflop, 3),
        "image_seconds": profile.image_seconds,
        "pair_seconds": profile.pair_seconds,
        "weight_bytes": profile.weight_bytes,
        "batch_size": profile.batch_size,
        "rerank": profile.rerank_depth,
        "images_without_torch": profile.images_without_torch,
    }


def _profile_in_words(profile: RuntimeProfile) -> str:
    """ "here: cpu, float32, NumPy to search, torch to index; about 4.2 s a picture; 4.7 GB of weights; re-ranks 4" """
    runtime = "torch"
    if profile.runtime == "openvino":
        runtime = "OpenVINO"
    elif not has_extra("torch"):
        missing = "which is not installed: pip install 'imgsearch[torch]'"
        runtime = "NumPy" if profile.runtime == "numpy" else f"torch, {missing}"
    elif profile.runtime == "numpy":
        many = profile.images_without_torch
        runtime = f"NumPy; torch to index more than {many} pictures" if many else "NumPy to search, torch to index"
    seconds = profile.image_seconds
    speed = "speed not known" if seconds is None else f"about {describe_pace(seconds)} a picture"
    return (
        f"here: {profile.device}, {profile.dtype}, {runtime}; {speed}; "
        f"{describe_size(profile.weight_bytes)} of weights; re-ranks {profile.rerank_depth}"
        + (f"; loses against float32: {profile.loss}" if profile.loss else "")
    )


def _as_table(rows: list[ModelRow]) -> str:
    lines = [f"{'model':<12}{'here':<12}{'download':>9}{'RAM':>8}{'pixels':>8}  what it is"]
    for row in rows:
        model = row.model
        download = "-" if model.ships else f"{model.download_bytes / 1e9:.1f} GB"
        ram = f"{row.memory_bytes / 1e9:.1f} GB"
        lines.append(f"{model.name:<12}{row.state:<12}{download:>9}{ram:>8}{row.image_size:>8}  {model.about}")
        if row.profile is not None:
            lines.append(f"{'':12}{_profile_in_words(row.profile)}")
        lines += [f"{'':12}{words}" for words in exports_in_words(row.exports)]
        if row.note:
            lines.append(f"{'':12}{row.note}")
    free = available_bytes()
    lines.append("")
    if free is not None:
        lines.append(f"{free / 1e9:.1f} GB of RAM are free here.")
    lines += processor_in_words()
    lines.append(
        "Fetch one: imgsearch models pull blip2; without a GPU rather blip2-vitl. "
        "A directory, a LAVIS .pth or a Hugging Face id is a model too."
    )
    return "\n".join(lines)


MODELS = Command("list the models and what they need; `pull NAME` fetches, `export NAME` speeds up", configure, run)
