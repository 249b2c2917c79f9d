"""Fetches a model's files from Hugging Face into its local cache; goes on where an earlier try stopped. No torch."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from imgsearch.errors import CheckpointInvalid, ModelUnavailable, StorageFull, UsageError
from imgsearch.model.checkpoints.fetching import Cache, RemoteFile
from imgsearch.model.checkpoints.known import KNOWN, KnownModel
from imgsearch.model.checkpoints.resolve import (
    cached_folder,
    find_source,
    is_repository,
    lavis_folder,
    lavis_repository,
    meant_name,
    read_config,
    weight_files,
)
from imgsearch.model.checkpoints.soundness import check_checkpoint
from imgsearch.progress import StageProgress

BERT_REPOSITORY = "google-bert/bert-base-uncased"  # only its vocabulary: LAVIS's .pth files need it

_ANSWER_TIMEOUT_S = 10.0
_COMPANIONS = (
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    # of generators
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "processor_config.json",
    "generation_config.json",
)
_LAVIS_COMMIT = "published"  # LAVIS's files have no versions
_GENERATOR = "Blip2ForConditionalGeneration"


@dataclass(frozen=True, slots=True)
class Pulled:
    """Where a model's files are, and whether they were there before."""

    folder: Path
    already: bool


def pull_model(name: str, told: StageProgress = lambda what, done, total: None, *, again: bool = False) -> Pulled:
    """Fetch the weights, config and tokenizer of a known model or a Hugging Face id. What is whole on disk is not asked
    for, so that this works without a network then; ``again`` asks the hub whether there is a newer one.

    Raises UsageError (nothing to fetch under this name), ModelUnavailable (no such repository, no network),
    CheckpointInvalid (not a BLIP-2, told before the weights are fetched; damaged on the way) and StorageFull.
    """
    known = KNOWN.get(name)
    lavis = known if known is not None and known.files else None
    repository = lavis_repository(lavis) if lavis is not None else _repository(name)
    folder = None if again else _whole_here(name, repository)
    if folder is not None:
        return Pulled(folder, already=True)
    try:
        folder = _fetch(repository, told) if lavis is None else _fetch_lavis(lavis, told)
    except (ModelUnavailable, CheckpointInvalid, StorageFull):
        raise
    except Exception as exc:
        raise _translated(exc, name, repository) from exc
    if lavis is None and repository != BERT_REPOSITORY and not _is_generator(folder):
        check_checkpoint(name)  # whole and of the right kind
    return Pulled(folder, already=False)


def _whole_here(name: str, repository: str) -> Path | None:
    """Where the model is on disk, if it is there and sound."""
    if repository == BERT_REPOSITORY:
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(repository, "vocab.txt")
        return Path(found).parent if isinstance(found, str) else None
    if name in KNOWN and KNOWN[name].files:
        try:
            find_source(name)
        except ModelUnavailable:
            return None
        return lavis_folder(KNOWN[name])
    cached = cached_folder(repository)
    try:
        if cached is not None and _is_generator(cached):
            weight_files(cached, "")
            return cached
        check_checkpoint(name)
        return find_source(name).path
    except (ModelUnavailable, CheckpointInvalid):
        return None


def _repository(name: str) -> str:
    if name in KNOWN:
        repository = KNOWN[name].repository
        if repository is None:
            raise UsageError(f"{name} ships with imgsearch: there is nothing to fetch", "`imgsearch demo` uses it")
        return repository
    if not is_repository(name):
        fetched = ", ".join(model.name for model in KNOWN.values() if not model.ships)
        raise UsageError(
            f"there is no model named {meant_name(name, KNOWN)} to fetch",
            f"known: {fetched}, or a Hugging Face id (owner/name)",
        )
    return name


def _fetch(repository: str, told: StageProgress) -> Path:
    from huggingface_hub import HfApi, constants, hf_hub_url
    from huggingface_hub.file_download import get_hf_file_metadata

    # One question with a short limit first: without a network it fails at once, not after a row of retries.
    listing = HfApi().model_info(repository, timeout=_ANSWER_TIMEOUT_S, files_metadata=True)
    siblings = {entry.rfilename: entry for entry in listing.siblings or []}
    bare = repository == BERT_REPOSITORY
    if not bare and "config.json" not in siblings:
        raise CheckpointInvalid(f"{repository} holds no config.json, so it is not a model", "check the name")
    cache, commit = Cache(Path(constants.HF_HUB_CACHE), repository), listing.sha or "main"

    def remote(name: str) -> RemoteFile:
        url = hf_hub_url(repository, name, revision=commit)
        told_of = get_hf_file_metadata(url, retry_on_errors=True)
        size = told_of.size if told_of.size is not None else int(siblings[name].size or 0)
        large = getattr(siblings[name], "lfs", None)
        sha256 = str(getattr(large, "sha256", "") or "")
        return RemoteFile(repository, commit, name, url, _safe(told_of.etag or sha256 or name), int(size), sha256)

    if bare:
        wanted = [remote("vocab.txt")]
    else:
        config = remote("config.json")
        cache.fetch(config, told)
        if not _is_generator(cache.snapshot(commit)):
            read_config(cache.snapshot(commit))
        wanted = [config, *(remote(name) for name in wanted_files(list(siblings)) if name != "config.json")]
    cache.set_main(commit)
    _check_space(sum(cache.missing_bytes(file) for file in wanted))
    for file in wanted:
        cache.fetch(file, told)
    return cache.snapshot(commit)


def _fetch_lavis(model: KnownModel, told: StageProgress) -> Path:
    """LAVIS's own files, as if they were a repository's, and BERT's vocabulary, which they need."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import get_hf_file_metadata

    if _whole_here(BERT_REPOSITORY, BERT_REPOSITORY) is None:
        _fetch(BERT_REPOSITORY, told)
    repository = lavis_repository(model)
    cache = Cache(Path(constants.HF_HUB_CACHE), repository)
    wanted = []
    for address in model.files:
        told_of = get_hf_file_metadata(address, token=False, retry_on_errors=True)
        name, size = address.rsplit("/", 1)[-1], int(told_of.size or 0)
        etag = _safe(told_of.etag or f"{name}-{size}")
        wanted.append(RemoteFile(repository, _LAVIS_COMMIT, name, address, etag, size, on_hub=False))
    cache.set_main(_LAVIS_COMMIT)
    _check_space(sum(cache.missing_bytes(file) for file in wanted))
    for file in wanted:
        cache.fetch(file, told)
    find_source(model.name)
    return cache.snapshot(_LAVIS_COMMIT)


def _is_generator(folder: Path) -> bool:
    """Whether a folder's config.json is of a BLIP-2 that writes; the rest of its checks are `imgsearch.generation`'s,
    when it is loaded."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and _GENERATOR in (config.get("architectures") or [])


def _safe(etag: str) -> str:
    """An etag as the name of a file."""
    return re.sub(r"[^0-9A-Za-z._-]", "_", etag)


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
    server = "huggingface.co"
    if name in KNOWN and KNOWN[name].files:
        server = f"{KNOWN[name].files[0].split('/')[2]} or huggingface.co"
    return ModelUnavailable(
        f"{repository} cannot be fetched: {server} does not answer ({type(exc).__name__})",
        f"with a network `imgsearch models pull {name}` goes on where it stopped; "
        "or copy the model's folder from another computer and name it; `imgsearch demo` works without",
    )
