"""Whose run an output folder is: written down before the first step, compared by whoever goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imgsearch.errors import UsageError
from imgsearch.files import write_whole


def claim(folder: Path, name: str, wanted: Mapping[str, Any]) -> None:
    """Make ``folder`` that of the run ``wanted``, in a file ``name`` inside, or check that it is. Raises UsageError for
    a folder of another run, and for one that holds anything else: nothing in it is touched."""
    path = folder / name
    if path.exists():
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            kept = None
        if kept != wanted:
            other = [key for key in wanted if not isinstance(kept, dict) or kept.get(key) != wanted[key]]
            raise UsageError(
                f"{folder} holds a run that differs in {', '.join(other)}",
                "name another --output, or give the same pairs and options to go on with that run",
            )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not an empty folder", "name a new folder with --output")
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(wanted, indent=2).encode())
