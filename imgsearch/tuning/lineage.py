"""Where a tuned model comes from and what it gained: a file beside its weights, and a list of the tuned models here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from imgsearch.files import write_whole

LINEAGE = "tuning.json"
_KEPT = 200  # models that the list remembers


@dataclass(frozen=True, slots=True)
class Tuned:
    """A tuned model: its folder, and what `LINEAGE` in it says."""

    folder: Path
    lineage: dict[str, Any]


def write_lineage(folder: Path, lineage: dict[str, Any]) -> None:
    """Write it beside the weights in ``folder`` and put the folder on the list of tuned models. The list is a
    convenience: where it cannot be written, the model is there all the same."""
    write_whole(folder / LINEAGE, (json.dumps(lineage, indent=2) + "\n").encode())
    listed = [one for one in _listed() if one != folder.resolve()]
    try:
        _list_file().parent.mkdir(parents=True, exist_ok=True)
        names = [str(one) for one in (folder.resolve(), *listed)][:_KEPT]
        write_whole(_list_file(), json.dumps(names, indent=1).encode())
    except OSError:
        return


def read_lineage(folder: Path) -> dict[str, Any] | None:
    """What stands beside a model's weights; None where it was not tuned here or the file is damaged."""
    try:
        found = json.loads((folder / LINEAGE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def tuned_models() -> list[Tuned]:
    """The tuned models that are on the list and still there, the newest first."""
    return [Tuned(folder, found) for folder in _listed() if (found := read_lineage(folder)) is not None]


def _listed() -> list[Path]:
    try:
        found = json.loads(_list_file().read_text(encoding="utf-8"))
        return [Path(name) for name in found if isinstance(name, str)]
    except (OSError, ValueError, TypeError):
        return []


def _list_file() -> Path:
    return Path(platformdirs.user_data_dir("imgsearch", appauthor=False)) / "tuned-models.json"
