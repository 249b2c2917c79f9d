"""From a generator's name to its files on this computer. Never downloads, loads no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgsearch.errors import CheckpointInvalid, ModelUnavailable, ModelUnknown, UsageError
from imgsearch.generation.tokenizer import FILES
from imgsearch.model.checkpoints.resolve import (
    ResolvedCheckpoint,
    cached_folder,
    is_repository,
    meant_name,
    weight_files,
)
from imgsearch.model.checkpoints.towers import find_tower

ARCHITECTURE = "Blip2ForConditionalGeneration"
SHIPPED = "mini"
SHIPPED_FOLDER = "mini-generator"

KNOWN = {
    repository.partition("/")[2]: repository
    for repository in (
        "Salesforce/blip2-opt-2.7b",
        "Salesforce/blip2-opt-2.7b-coco",
        "Salesforce/blip2-opt-6.7b",
        "Salesforce/blip2-opt-6.7b-coco",
        "Salesforce/blip2-flan-t5-xl",
        "Salesforce/blip2-flan-t5-xl-coco",
        "Salesforce/blip2-flan-t5-xxl",
    )
}
"""Short names of the published generators."""

# The language models that LAVIS's files were trained with (its configs, models/blip2).
_LANGUAGE_MODELS = "facebook/opt-2.7b, facebook/opt-6.7b, google/flan-t5-xl or google/flan-t5-xxl, by the file's name"
_NAMES = ", ".join((SHIPPED, *KNOWN))


@dataclass(frozen=True, slots=True)
class GeneratorSource(ResolvedCheckpoint):
    """Where a generator's files are. ``language`` is the directory of the language model for a LAVIS ``.pth``; its
    weights are the last of ``weights``."""

    language: Path | None = None
    language_weights: tuple[Path, ...] = ()


def find_generator(name: str | Path, language_model: str | Path | None = None) -> GeneratorSource:
    """Find a generator's files. Raises UsageError, ModelUnavailable and CheckpointInvalid as `load_generator` says."""
    text = str(name)
    if not text.strip():
        raise UsageError("the generator's name is empty", f"known generators: {_NAMES}")
    path = Path(text).expanduser()
    if isinstance(name, str) and (name == SHIPPED or name in KNOWN):
        source = _known(name)
    elif path.is_dir():
        source = _directory(str(path.resolve()), path.resolve())
    elif path.is_file():
        return _checkpoint_file(path.resolve(), language_model)
    elif path.is_absolute() or text.startswith((".", "~")) or path.suffix in (".pth", ".pt"):
        raise ModelUnknown(f"there is no generator at {text}", f"known generators: {_NAMES}")
    elif is_repository(text):
        source = _cached(text, text)
    else:
        raise ModelUnknown(
            f"there is no generator named {meant_name(text, (SHIPPED, *KNOWN))}; the known ones are {_NAMES}",
            "a directory, a LAVIS .pth or a Hugging Face id such as Salesforce/blip2-opt-2.7b will do too",
        )
    if language_model is not None:
        raise UsageError(
            f"{source.name} contains its language model, but {language_model} was named, too",
            "leave language_model out; only a LAVIS .pth takes one",
        )
    return source


def read_config(folder: Path) -> dict[str, Any]:
    """A directory's config.json, checked to describe a BLIP-2 that writes."""
    config = _json(folder / "config.json")
    kind, architectures = config.get("model_type"), config.get("architectures") or []
    if kind != "blip-2":
        raise CheckpointInvalid(
            f"{folder} holds a model of type {kind!r}; a BLIP-2 with a language model was expected",
            f"known generators: {_NAMES}",
        )
    if architectures and ARCHITECTURE not in architectures:
        raise _retrieval(folder, ", ".join(map(str, architectures)))
    return config


def _known(name: str) -> GeneratorSource:
    if name in KNOWN:
        return _cached(name, KNOWN[name])
    package = Path(__file__).parents[1]
    folder = package / "data" / SHIPPED_FOLDER
    if not (folder / "config.json").is_file():
        folder = package.parent / "data" / SHIPPED_FOLDER
    if not (folder / "config.json").is_file():
        raise ModelUnavailable(
            f"this installation holds no small generator ({folder})",
            "name another one with --generator: blip2-opt-2.7b (fetched by `imgsearch models pull "
            "Salesforce/blip2-opt-2.7b`), a directory or a LAVIS .pth",
        )
    return _directory(name, folder)


def _cached(name: str, repository: str) -> GeneratorSource:
    folder = cached_folder(repository)
    if folder is None:
        called = repository if name == repository else f"{name} ({repository})"
        raise ModelUnavailable(
            f"the weights of {called} are not on this computer",
            f"`imgsearch models pull {repository}` fetches them, with a network",
        )
    return _directory(name, folder, pull_name=repository)


def _directory(name: str, folder: Path, pull_name: str | None = None) -> GeneratorSource:
    mend = f"`imgsearch models pull {pull_name}` goes on where it stopped" if pull_name else "copy the folder again"
    if not (folder / "config.json").is_file():
        files = sorted(entry.name for entry in folder.iterdir() if entry.suffix in (".pth", ".pt"))
        hint = f"to load LAVIS's file name it: {folder / files[0]}" if files else f"known generators: {_NAMES}"
        raise CheckpointInvalid(f"{folder} holds no config.json, so it is not a model directory", hint)
    read_config(folder)
    weights = weight_files(folder, mend)
    return GeneratorSource(name, "directory", folder, weights, _companions(folder), pull_name)


def _checkpoint_file(path: Path, language_model: str | Path | None) -> GeneratorSource:
    if path.suffix not in (".pth", ".pt"):
        raise CheckpointInvalid(
            f"{path} is not a checkpoint that imgsearch reads",
            "name the directory that holds config.json and model.safetensors, or a LAVIS .pth",
        )
    if language_model is None:
        raise UsageError(
            f"{path.name} is a LAVIS checkpoint, which holds no language model, and none was named",
            f"name the directory of the one it was trained with: {_LANGUAGE_MODELS}",
        )
    folder = _language_folder(language_model)
    language_weights = weight_files(folder, "copy the language model's whole directory again")
    tower = find_tower(path)
    own = (path,) if tower is None else (path, tower)
    weights = (*own, *language_weights)
    return GeneratorSource(
        str(path),
        "lavis",
        path,
        weights,
        _companions(folder),
        language=folder,
        language_weights=language_weights,
    )


def _language_folder(name: str | Path) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        folder = path.resolve()
    else:
        cached = cached_folder(str(name)) if is_repository(str(name)) else None
        if cached is None:
            raise ModelUnknown(
                f"there is no language model at {name}: neither a directory nor in the Hugging Face cache",
                f"name the directory of {_LANGUAGE_MODELS}",
            )
        folder = cached
    if not (folder / "config.json").is_file():
        raise CheckpointInvalid(f"{folder} holds no config.json, so it is no language model", "copy the whole folder")
    return folder


def read_language_config(folder: Path) -> dict[str, Any]:
    """The config.json of an OPT or T5."""
    config = _json(folder / "config.json")
    if config.get("model_type") not in ("opt", "t5"):
        raise CheckpointInvalid(
            f"{folder} holds a model of type {config.get('model_type')!r}; an OPT or a T5 was expected",
            f"LAVIS trained with {_LANGUAGE_MODELS}",
        )
    return config


def _companions(folder: Path) -> tuple[Path, ...]:
    return tuple(folder / name for name in ("config.json", *FILES) if (folder / name).is_file())


def _retrieval(origin: Path, found: str) -> CheckpointInvalid:
    return CheckpointInvalid(
        f"{origin} holds {found}, which has no language model; {ARCHITECTURE} was expected",
        "retrieval checkpoints search and match; captions need one such as Salesforce/blip2-opt-2.7b",
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise CheckpointInvalid(f"{path} cannot be read: {exc}", "fetch the checkpoint again") from exc
    if not isinstance(config, dict):
        raise CheckpointInvalid(f"{path} holds no object", "fetch the checkpoint again")
    return config
