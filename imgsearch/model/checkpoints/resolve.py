"""From a model's name to its files on this computer. Never downloads; loads no torch.

The names: those of `KNOWN`, a directory, a LAVIS ``.pth``, or a Hugging Face id whose files are in the local cache.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from imgsearch.errors import CheckpointInvalid, ModelUnavailable, ModelUnknown, UsageError
from imgsearch.model.checkpoints.config import ARCHITECTURES, MODEL_TYPES
from imgsearch.model.checkpoints.known import KNOWN, KnownModel
from imgsearch.model.checkpoints.tensor_files import TensorFile, read_tensor_file
from imgsearch.model.checkpoints.towers import find_tower
from imgsearch.records import ModelId
from imgsearch.wording import closest, one_line

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
CALIBRATION = "calibration.json"
"""Beside a model's weights: ``{"fingerprint", "recipe", "rule"}``, the first two of the `ModelId` that it was fitted
for."""

_DEMO_HINT = "`imgsearch demo` works without, on the small model that ships with imgsearch"


@dataclass(frozen=True, slots=True)
class ResolvedCheckpoint:
    """Where a model's files are, and what was read of them on the way, so that nobody reads it again. ``path`` is a
    directory or a ``.pth``; ``weights`` are the weight files, in order; ``companions`` the small files that decide its
    answers too (config, tokenizer)."""

    name: str
    kind: Literal["directory", "lavis"]
    path: Path
    weights: tuple[Path, ...]
    companions: tuple[Path, ...]
    pull_name: str | None = None  # what `imgsearch models pull` fetches to mend it
    config: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)  # empty for a ``.pth``
    tensor_files: tuple[TensorFile, ...] = field(default=(), repr=False, compare=False)  # of the weights, if all are


def find_source(name: str | Path) -> ResolvedCheckpoint:
    """Look a model up. Raises UsageError on an empty name, ModelUnknown where there is none of that name,
    ModelUnavailable where files are missing, CheckpointInvalid where they are of another kind."""
    text = str(name)
    if not text.strip():
        raise UsageError("the model's name is empty", f"known models: {', '.join(KNOWN)}")
    if isinstance(name, str) and name in KNOWN:
        return _known(KNOWN[name])
    path = Path(text).expanduser()
    if path.is_dir():
        return _directory(str(path.resolve()), path.resolve())
    if path.is_file():
        return _checkpoint_file(path.resolve())
    if path.is_absolute() or text.startswith((".", "~")) or path.suffix in (".pth", ".pt"):
        raise ModelUnknown(f"there is no model at {text}", f"known models: {', '.join(KNOWN)}; see `imgsearch models`")
    if is_repository(text):
        return _cached(text, text)
    raise ModelUnknown(
        f"there is no model named {meant_name(text, KNOWN)}; the known ones are {', '.join(KNOWN)}",
        "a directory, a LAVIS .pth or a Hugging Face id such as Salesforce/blip2-itm-vit-g will do too",
    )


def meant_name(text: str, known: Iterable[str]) -> str:
    """A name that is unknown, in quotes, with the ``known`` one that it resembles, if any."""
    near = closest(text, known)
    return f"{one_line(text)!r}{f' (did you mean {near}?)' if near else ''}"


def is_repository(name: str) -> bool:
    """Whether a name has the form of a Hugging Face id, owner/name."""
    return _REPOSITORY.fullmatch(name) is not None


def shipped_folder() -> Path:
    """Where the small model lies: inside the installed package, or in the checkout's ``data``."""
    package = Path(__file__).parents[2]
    installed = package / "data" / "mini"
    return installed if (installed / "config.json").is_file() else package.parent / "data" / "mini"


def cached_folder(repository: str) -> Path | None:
    """The newest complete-looking snapshot of a Hugging Face repository in the local cache, or None."""
    folder = snapshot_folder(repository)
    return folder if folder is not None and (folder / "config.json").is_file() else None


def is_here(model: KnownModel) -> bool:
    """Whether a known model's folder is on this computer, whole or not."""
    return model.ships or _folder_of(model.name) is not None


def lavis_folder(model: KnownModel) -> Path | None:
    """Where LAVIS's own files of a known model are, in Hugging Face's cache as if they were a repository's; None before
    the first `imgsearch models pull`."""
    return snapshot_folder(lavis_repository(model))


def lavis_repository(model: KnownModel) -> str:
    """The name in Hugging Face's cache for a model that is not from there."""
    return f"lavis/{model.name}"


def snapshot_folder(repository: str) -> Path | None:
    """The folder of a repository's main commit in the local cache, or None."""
    # As huggingface_hub.try_to_load_from_cache looks it up, whose import takes 0.24 s of a fresh search; the layout is
    # documented ("Understand caching").
    from huggingface_hub.constants import HF_HUB_CACHE

    cache = Path(HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
    try:
        commit = (cache / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
    return cache / "snapshots" / commit if commit else None


def read_calibration(model: ModelId) -> str | None:
    """What `imgsearch.model.shipped_calibration` returns."""
    folder = _folder_of(model.name)
    if folder is None:
        return None
    try:
        kept = json.loads((folder / CALIBRATION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    same = isinstance(kept, dict) and (kept.get("fingerprint"), kept.get("recipe")) == (model.fingerprint, model.recipe)
    return json.dumps(kept.get("rule")) if same else None


def _folder_of(name: str) -> Path | None:
    """The folder that `find_source` would take, without a look at what is in it."""
    if name in KNOWN:
        known = KNOWN[name]
        if known.files:
            return lavis_folder(known)
        return shipped_folder() if known.repository is None else cached_folder(known.repository)
    path = Path(name).expanduser()
    if name.strip() and path.is_dir():
        return path
    return cached_folder(name) if is_repository(name) else None


def read_config(folder: Path) -> dict[str, Any]:
    """A directory's config.json, checked to describe a BLIP-2 with an image-text matching head."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise CheckpointInvalid(f"{path} cannot be read: {exc}", "fetch the checkpoint again") from exc
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind not in MODEL_TYPES:
        raise CheckpointInvalid(
            f"{folder} holds a model of type {kind!r}; a BLIP-2 with an image-text matching head was expected",
            f"known models: {', '.join(KNOWN)}; see `imgsearch models`",
        )
    architectures = config.get("architectures") or []
    if architectures and not any(name in ARCHITECTURES for name in architectures):
        raise CheckpointInvalid(
            f"{folder} holds {', '.join(map(str, architectures))}; Blip2ForImageTextRetrieval was expected "
            "(captioning checkpoints have no matching head)",
            "use Salesforce/blip2-itm-vit-g (`imgsearch models pull blip2`)",
        )
    return dict(config)


def _known(model: KnownModel) -> ResolvedCheckpoint:
    if model.repository is not None:
        return _cached(model.name, model.repository)
    if model.files:
        return _fetched_lavis(model)
    folder = shipped_folder()
    if not (folder / "config.json").is_file():
        raise ModelUnavailable(
            f"the small model that ships with imgsearch is not at {folder}", "install imgsearch again"
        )
    return _directory(model.name, folder)


def _cached(name: str, repository: str) -> ResolvedCheckpoint:
    folder = cached_folder(repository)
    if folder is None:
        size = f", {KNOWN[name].download_bytes / 1e9:.1f} GB" if name in KNOWN else ""
        raise _not_here(name, repository if name == repository else f"{name} ({repository}{size})")
    return _directory(name, folder, pull_name=name)


def _fetched_lavis(model: KnownModel) -> ResolvedCheckpoint:
    folder, names = lavis_folder(model), [address.rsplit("/", 1)[-1] for address in model.files]
    if folder is None or not all((folder / name).is_file() for name in names):
        raise _not_here(model.name, f"{model.name} (LAVIS's {names[0]}, {model.download_bytes / 1e9:.1f} GB)")
    return replace(_checkpoint_file(folder / names[0]), name=model.name, pull_name=model.name)


def _not_here(name: str, called: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"the weights of {called} are not on this computer",
        f"`imgsearch models pull {name}` fetches them, with a network; {_DEMO_HINT}",
    )


def _directory(name: str, folder: Path, pull_name: str | None = None) -> ResolvedCheckpoint:
    if not (folder / "config.json").is_file():
        files = sorted(entry.name for entry in folder.iterdir() if entry.suffix in (".pth", ".pt"))
        hint = f"to load LAVIS's file name it: {folder / files[0]}" if files else "see `imgsearch models`"
        raise CheckpointInvalid(f"{folder} holds no config.json, so it is not a model directory", hint)
    config = read_config(folder)
    mend = (
        f"`imgsearch models pull {pull_name}` goes on where it stopped"
        if pull_name
        else "copy the whole directory again"
    )
    weights, tensor_files = _read_weight_files(folder, mend)
    names = ("config.json", "tokenizer.json") if (folder / "tokenizer.json").is_file() else ("config.json", "vocab.txt")
    companions = tuple(folder / file for file in names)
    if not companions[1].is_file():
        raise ModelUnavailable(f"{folder} has no tokenizer.json and no vocab.txt", mend)
    return ResolvedCheckpoint(name, "directory", folder, weights, companions, pull_name, config, tensor_files)


def weight_files(folder: Path, mend: str) -> tuple[Path, ...]:
    """The files of a directory that hold its weights, in one format, checked to be whole; ``mend`` says what to do."""
    return _read_weight_files(folder, mend)[0]


def _read_weight_files(folder: Path, mend: str) -> tuple[tuple[Path, ...], tuple[TensorFile, ...]]:
    for single, index in (
        ("model.safetensors", "model.safetensors.index.json"),
        ("pytorch_model.bin", "pytorch_model.bin.index.json"),
    ):
        if (folder / index).is_file():
            try:
                mapping = json.loads((folder / index).read_text(encoding="utf-8"))["weight_map"]
                files = tuple(folder / Path(part).name for part in sorted(set(mapping.values())))
            except (ValueError, KeyError, AttributeError, TypeError) as exc:
                raise CheckpointInvalid(f"{folder / index} is damaged", mend) from exc
        elif (folder / single).is_file():
            files = (folder / single,)
        else:
            continue
        missing = [file.name for file in files if not file.is_file()]
        if missing:
            raise ModelUnavailable(
                f"{folder} is half downloaded: {len(missing)} of {len(files)} weight files are missing ({missing[0]})",
                mend,
            )
        if any(file.suffix != ".safetensors" for file in files):
            return files, ()
        return files, tuple(read_tensor_file(file, mend) for file in files)
    raise ModelUnavailable(f"{folder} has a config.json but no weights (model.safetensors)", mend)


def _checkpoint_file(path: Path) -> ResolvedCheckpoint:
    if path.suffix not in (".pth", ".pt"):
        raise CheckpointInvalid(
            f"{path} is not a checkpoint that imgsearch reads",
            "name the directory that holds config.json and model.safetensors, or a LAVIS .pth",
        )
    tower = find_tower(path)
    weights = (path,) if tower is None else (path, tower)
    vocabulary = path.parent / "vocab.txt"
    if not vocabulary.is_file():
        vocabulary = _bert_vocabulary(path)
    return ResolvedCheckpoint(str(path), "lavis", path, weights, (vocabulary,))


def _bert_vocabulary(path: Path) -> Path:
    for repository in ("google-bert/bert-base-uncased", "bert-base-uncased", "Salesforce/blip2-itm-vit-g"):
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(repository, "vocab.txt")
        if isinstance(found, str):
            return Path(found)
    raise ModelUnavailable(
        f"{path.name} needs BERT's vocabulary: no vocab.txt in {path.parent}, none in the Hugging Face cache",
        f"put bert-base-uncased's vocab.txt into {path.parent}, "
        "or run `imgsearch models pull google-bert/bert-base-uncased`",
    )
