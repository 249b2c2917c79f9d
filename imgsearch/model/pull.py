"""Fetches a model's files from Hugging Face into its local cache; goes on where an earlier try stopped. No torch."""

from __future__ import annotations

import shutil
from pathlib import Path

from imgsearch.errors import CheckpointInvalid, ModelUnavailable, StorageFull, UsageError
from imgsearch.model.sources import KNOWN, find_source, is_repository, read_config

BERT_REPOSITORY = "google-bert/bert-base-uncased"  # only its vocabulary: LAVIS's .pth files need it

_ANSWER_TIMEOUT_S = 10.0
_COMPANIONS = (
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
)


def pull_model(name: str) -> Path:
    """Fetch the weights, config and tokenizer of a known model or a Hugging Face id; returns their folder.

    Prints progress bars on stderr. Raises UsageError (nothing to fetch under this name), ModelUnavailable (no such
    repository, no network), CheckpointInvalid (not a BLIP-2, told before the weights are fetched) and StorageFull.
    """
    repository = _repository(name)
    try:
        folder = _fetch(repository)
    except (ModelUnavailable, CheckpointInvalid, StorageFull):
        raise
    except Exception as exc:
        raise _translated(exc, name, repository) from exc
    if repository != BERT_REPOSITORY:
        find_source(name)  # whole and of the right kind
    return folder


def _repository(name: str) -> str:
    if name in KNOWN:
        repository = KNOWN[name].repository
        if repository is None:
            raise UsageError(f"{name} ships with imgsearch: there is nothing to fetch", "`imgsearch demo` uses it")
        return repository
    if not is_repository(name):
        fetched = ", ".join(model.name for model in KNOWN.values() if model.repository)
        raise UsageError(
            f"there is no model named {name!r} to fetch", f"known: {fetched}, or a Hugging Face id (owner/name)"
        )
    return name


def _fetch(repository: str) -> Path:
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download

    # One question with a short limit first: without a network it fails at once, not after a row of retries.
    # No revision is named: only then does the cache note which commit "main" is, by which a load finds the files.
    listing = HfApi().model_info(repository, timeout=_ANSWER_TIMEOUT_S, files_metadata=True)
    sizes = {entry.rfilename: int(entry.size or 0) for entry in listing.siblings or []}
    if repository == BERT_REPOSITORY:
        return Path(hf_hub_download(repository, "vocab.txt")).parent
    if "config.json" not in sizes:
        raise CheckpointInvalid(f"{repository} holds no config.json, so it is not a model", "check the name")
    read_config(Path(hf_hub_download(repository, "config.json")).parent)
    wanted = wanted_files(list(sizes))
    _check_space(sum(sizes[file] for file in wanted))
    return Path(snapshot_download(repository, allow_patterns=wanted))


def wanted_files(files: list[str]) -> list[str]:
    """Of a repository's files those that a load reads: config, tokenizer, and the weights in one format only."""
    safe = [file for file in files if "/" not in file and file.endswith((".safetensors", ".safetensors.index.json"))]
    pickled = [file for file in files if "/" not in file and file.startswith("pytorch_model") and ".bin" in file]
    return sorted([file for file in files if file in _COMPANIONS] + (safe or pickled))


def _check_space(size_bytes: int) -> None:
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if size_bytes > free:
        raise StorageFull(
            f"the model is {size_bytes / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free on the disk of {folder}",
            "free some space, or set HF_HOME to a folder on another disk",
        )


def _translated(exc: Exception, name: str, repository: str) -> ModelUnavailable | StorageFull:
    import errno

    from huggingface_hub import errors

    if isinstance(exc, errors.GatedRepoError):
        return ModelUnavailable(
            f"{repository} asks for a licence to be accepted", f"accept it on huggingface.co/{repository}"
        )
    if isinstance(exc, errors.RepositoryNotFoundError):
        return ModelUnavailable(f"there is no model {repository} on Hugging Face (or it is private)", "check the name")
    if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        return StorageFull(f"the disk is full: {exc}", "free some space, or set HF_HOME to a folder on another disk")
    if isinstance(exc, errors.OfflineModeIsEnabled):
        return ModelUnavailable(
            f"{repository} cannot be fetched: HF_HUB_OFFLINE is set",
            "unset it, or copy the model's folder from another computer",
        )
    return ModelUnavailable(
        f"{repository} cannot be fetched: huggingface.co does not answer ({type(exc).__name__})",
        f"with a network `imgsearch models pull {name}` goes on where it stopped; "
        "or copy the model's folder from another computer and name it; `imgsearch demo` works without",
    )
