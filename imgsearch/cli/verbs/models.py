"""`imgsearch models`: what is known, what is on disk, what it needs; `imgsearch models pull NAME` fetches one."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imgsearch.cli.command import Command
from imgsearch.cli.output.progress import Phases, phases
from imgsearch.errors import CheckpointInvalid, ModelUnavailable
from imgsearch.model import known_models
from imgsearch.model.checkpoints.identity import config_shape
from imgsearch.model.checkpoints.pull import pull_model
from imgsearch.model.checkpoints.resolve import KnownModel, ResolvedCheckpoint, cached_folder, find_source
from imgsearch.model.memory import available_bytes


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One known model as this computer has it. ``state``: "on disk", "not here", "incomplete" or "damaged"."""

    model: KnownModel
    state: str
    path: Path | None
    size_bytes: int
    image_size: int
    note: str


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    verbs = parser.add_subparsers(dest="verb", metavar="pull")
    pull = verbs.add_parser(
        "pull", help="fetch a model's files, checked by their hashes; goes on where an earlier try stopped"
    )
    pull.add_argument("name", metavar="NAME", help="blip2, blip2-coco or a Hugging Face id (owner/name)")
    pull.add_argument("--again", action="store_true", help="ask whether there is a newer one than the one on disk")
    pull.add_argument("--quiet", action="store_true", help="no bar and no messages on stderr")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked."""
    if arguments.verb == "pull":
        with phases(arguments) as told:
            pulled = pull_model(arguments.name, in_megabytes(told), again=arguments.again)
        print(f"{arguments.name} is {'already here: ' if pulled.already else 'in '}{pulled.folder}")
        print(f"next: imgsearch index --model {arguments.name} FOLDER")
        return 0
    rows = [describe(model) for model in known_models()]
    print(json.dumps([_as_json(row) for row in rows], indent=2) if arguments.json else _as_table(rows))
    return 0


def in_megabytes(told: Phases) -> Callable[[str, int, int], None]:
    """Tells of bytes in millions."""
    return lambda what, done, total: told(f"{what} (MB)", done // 1_000_000, max(1, total // 1_000_000))


def describe(model: KnownModel) -> ModelRow:
    """Look at the disk for one model; loads nothing."""
    if model.repository is not None and cached_folder(model.repository) is None:
        return ModelRow(model, "not here", None, 0, model.image_size, "")
    try:
        source = find_source(model.name)
        _, _, image_size = config_shape(source.config, source.path, None)
    except ModelUnavailable as error:
        return ModelRow(model, "incomplete", None, 0, model.image_size, error.message)
    except CheckpointInvalid as error:
        return ModelRow(model, "damaged", None, 0, model.image_size, error.message)
    return ModelRow(model, "on disk", source.path, _size(source), image_size, "")


def _size(source: ResolvedCheckpoint) -> int:
    return sum(path.stat().st_size for path in (*source.weights, *source.companions))


def _as_json(row: ModelRow) -> dict[str, object]:
    return {
        "name": row.model.name,
        "repository": row.model.repository,
        "state": row.state,
        "path": str(row.path) if row.path else None,
        "size_bytes": row.size_bytes,
        "download_bytes": row.model.download_bytes,
        "memory_bytes": row.model.memory_bytes,
        "image_size": row.image_size,
        "about": row.model.about,
        "note": row.note,
    }


def _as_table(rows: list[ModelRow]) -> str:
    lines = [f"{'model':<12}{'here':<12}{'download':>9}{'RAM':>8}{'pixels':>8}  what it is"]
    for row in rows:
        model = row.model
        download = "-" if not model.repository else f"{model.download_bytes / 1e9:.1f} GB"
        ram = f"{model.memory_bytes / 1e9:.1f} GB"
        lines.append(f"{model.name:<12}{row.state:<12}{download:>9}{ram:>8}{row.image_size:>8}  {model.about}")
        if row.note:
            lines.append(f"{'':12}{row.note}")
    free = available_bytes()
    lines.append("")
    if free is not None:
        lines.append(f"{free / 1e9:.1f} GB of RAM are free here.")
    lines.append(
        "Fetch one: imgsearch models pull blip2. A directory, a LAVIS .pth or a Hugging Face id is a model too."
    )
    return "\n".join(lines)


MODELS = Command("list the models and what they need; `pull NAME` fetches one", configure, run)
