"""Settings: defaults < TOML file < environment < flags, as one frozen object."""

from __future__ import annotations

import dataclasses
import errno
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgsearch.errors import UsageError
from imgsearch.wording import closest, one_line

PREFIX = "IMGSEARCH_"
DTYPES = ("auto", "float32", "bfloat16", "float16", "int8")
RUNTIMES = ("auto", "numpy", "torch", "openvino")
FEATURES = ("none", "cache", "all")

SWITCH = ("off", "on")
_LEAST = {
    "batch_size": 0,
    "workers": 0,
    "rerank": -1,
    "rerank_budget_ms": -1,
    "features_mb": 0,
    "qdrant_shards": 0,
    "qdrant_replicas": 0,
}
"""The smallest value of each numeric setting."""

_NO_SETTINGS = frozenset({"ALLOW_NETWORK", "CATALOG_PASSWORD", "CONFIG", "MASK_CPU", "QDRANT_API_KEY"})
"""Further names that the environment may hold behind the prefix."""


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a person. In the TOML file and on flags by these names (``-`` for ``_``), in the environment
    as IMGSEARCH_ and the name in capitals."""

    library: Path
    model: str = ""  # "" = the library's own model; for a new library, blip2
    device: str = "auto"  # "auto", "cpu", "cuda", "cuda:1", "mps"
    dtype: str = "auto"  # "auto", "float32", "bfloat16", "float16", "int8"
    batch_size: int = 0  # images a batch; 0 = by device
    workers: int = 0  # decode processes; 0 = by cores
    rerank: int = -1  # candidates that ITM re-ranks; -1 = by device, 0 = off
    features: str = ""  # ViT features kept for re-ranking: "none", "cache", "all"; "" = as the library does, else cache
    features_mb: int = 2048  # megabytes of disk that kept features may fill
    catalog_url: str = ""  # of a new library: the PostgreSQL database that holds its catalog; "" = in its folder
    runtime: str = "auto"  # what computes the model: "auto", "numpy", "torch", "openvino"
    rerank_budget_ms: int = -1  # milliseconds for a re-rank; -1 = by device and model, 0 = no limit
    caption_search: str = "off"  # "on": generated captions take part in searches by plain words
    qdrant_url: str = ""  # "http://host:6333": vectors are served from there; "" = at home
    qdrant_collection: str = ""  # "" = named after the library
    qdrant_vectors: str = "float16"  # "float16", "turbo8": how a new collection keeps them
    qdrant_shards: int = 0  # of a new collection; 0 = as the server does
    qdrant_replicas: int = 0  # copies of a new collection's shards; 0 = as the server does
    generator: str = (
        ""  # writes captions and answers; "" = "mini" where the library's model is the small one, else none
    )
    allow_folder: str = ""  # below which the page may read folders, joined like PATH; "" = the home folder; "none"


def known_settings() -> frozenset[str]:
    """The names of all settings."""
    return frozenset(field.name for field in dataclasses.fields(Settings))


def default_library() -> Path:
    """The platform's data folder for this user. Raises UsageError for a user without a home folder."""
    import platformdirs

    try:
        return Path(platformdirs.user_data_dir("imgsearch", appauthor=False)) / "library"
    except RuntimeError as exc:
        raise UsageError(
            "no library was named, and this user has no home folder that could hold one",
            "name one with --library DIR or IMGSEARCH_LIBRARY, or set HOME",
        ) from exc


def config_file(environment: Mapping[str, str]) -> Path:
    """The path of the TOML file: IMGSEARCH_CONFIG, else in the platform's configuration folder."""
    import platformdirs

    named = environment.get(PREFIX + "CONFIG")
    if named:
        return Path(named)
    try:
        return Path(platformdirs.user_config_dir("imgsearch", appauthor=False)) / "imgsearch.toml"
    except RuntimeError:  # a user without a home folder, as in many containers
        return Path("/etc/xdg/imgsearch/imgsearch.toml")


def load_settings(flags: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Settings:
    """Merge all sources; flags whose value is None count as not given. Raises UsageError on an unknown name in
    the file and on a value of the wrong type."""
    environment = os.environ if environment is None else environment
    names = {f.name: f for f in dataclasses.fields(Settings)}
    merged: dict[str, Any] = {}
    path = config_file(environment)
    if path.is_file():
        merged.update(_read_toml(path, names))
    elif PREFIX + "CONFIG" in environment:
        raise UsageError(
            f"IMGSEARCH_CONFIG names {path}, which is not a file", "unset IMGSEARCH_CONFIG or create the file"
        )
    _refuse_misspelt(environment, names)
    named = {name: environment.get(PREFIX + name.upper()) for name in names}
    merged.update({name: value for name, value in named.items() if value})
    merged.update({name: value for name, value in flags.items() if name in names and value is not None})
    if "library" not in merged:
        merged["library"] = default_library()
    return Settings(**{name: _convert(name, value) for name, value in merged.items()})


def _read_toml(path: Path, names: Mapping[str, Any]) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as exc:
        raise UsageError(f"the settings file {path} cannot be read: {exc}", "mend or remove it") from exc
    refuse_unknown(table, names, f"the settings file {path}")
    return table


def refuse_unknown(given: Iterable[str], known: Iterable[str], origin: str) -> None:
    """Raise UsageError, with a suggestion, if ``given`` holds a name that is not ``known``."""
    known = list(known)
    unknown = sorted(set(given) - set(known))
    if not unknown:
        return
    near = {name: closest(name.replace("-", "_"), known) for name in unknown}
    meant = [f"{one_line(name)} (did you mean {near[name]}?)" if near[name] else one_line(name) for name in unknown]
    raise UsageError(
        f"{origin} sets {', '.join(meant)}; there is no such setting", f"the settings are {', '.join(sorted(known))}"
    )


def _refuse_misspelt(environment: Mapping[str, str], names: Iterable[str]) -> None:
    """Refuses variables that resemble ours; others with our prefix belong to other programs."""
    known = {name.upper() for name in names} | _NO_SETTINGS
    for variable in sorted(environment):
        given = variable.removeprefix(PREFIX)
        if given == variable or given in known:
            continue
        near = closest(given, known)
        if near:
            raise UsageError(
                f"the environment sets {one_line(variable)}, which does not exist; did you mean {PREFIX}{near}?",
                f"unset {one_line(variable)}, or set {PREFIX}{near}",
            )


def _convert(name: str, value: Any) -> Any:
    if name == "library":
        if not isinstance(value, (str, os.PathLike)) or not _is_path(os.fspath(value)):
            raise UsageError(
                f"library is {value!r:.200}, expected the path of a folder", "for example --library ~/pictures"
            )
        return Path(os.path.expanduser(value))  # noqa: PTH111  leaves ~nobody
    if name == "features" and value not in ("", *FEATURES):
        raise UsageError(f"features is {value!r}, expected {', '.join(FEATURES)}", "for example --features cache")
    if name == "runtime" and value not in RUNTIMES:
        raise UsageError(f"runtime is {value!r}, expected {', '.join(RUNTIMES)}", "for example --runtime openvino")
    if name == "caption_search" and value not in SWITCH:
        raise UsageError(f"caption_search is {value!r}, expected {' or '.join(SWITCH)}", "imgsearch eval --captions")
    return _whole(name, value) if name in _LEAST else str(value)


def _is_path(text: str | bytes) -> bool:
    """Whether a file system could take it: neither empty, nor with a NUL, half of a surrogate pair or a name of 256
    bytes inside."""
    try:
        os.lstat(text)
    except (ValueError, UnicodeEncodeError):
        return False
    except OSError as error:
        return bool(text) and error.errno != errno.ENAMETOOLONG
    return isinstance(text, str)


def _whole(name: str, value: Any) -> int:
    try:
        if isinstance(value, float) and value != int(value):
            raise ValueError
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = _LEAST[name] - 1
    if number < _LEAST[name]:
        raise UsageError(
            f"{name} is {value!r}, expected a whole number of {_LEAST[name]} or more",
            f"for example {PREFIX}{name.upper()}=8",
        )
    return number
