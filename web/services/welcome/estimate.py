"""What an index run over some folders would take: `imgsearch index --dry-run`, for the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imgsearch.model import known_models
from imgsearch.model.runtimes.choice import published_profile
from imgsearch.progress import Progress
from imgsearch.records import ModelId
from imgsearch.settings import load_settings
from indexer.dry_run import DryRun, dry_run
from indexer.forecast import bytes_for
from indexer.index_run import IndexRequest
from indexer.scanning.passed_text import left_line, passed_line, program_line
from web.problems import printable
from web.wording import on_a_page

_TOKENS, _DIMS = 32, 256  # of every BLIP-2 that matches images with texts


def estimate(library: Path, folders: Sequence[str], model: str, progress: Progress) -> dict[str, Any]:
    """Walk the folders, time a few pictures where the model is on this machine, and write nothing. Where it is not, the
    time is computed from its size and this processor's rate. Raises what `dry_run` raises."""
    given = {"library": library, **({"model": model} if model else {})}
    found = dry_run(IndexRequest(tuple(folders), load_settings(given)), progress)
    to_read = found.new + found.changed
    seconds, measured = found.seconds, found.seconds is not None
    if seconds is None and to_read:
        each = _computed(found.model)
        seconds = None if each is None else round(each * to_read, 1)
    disk = found.disk_bytes
    if disk is None:
        disk = bytes_for(found.new, ModelId(found.model, "", "", "", _TOKENS, _DIMS), "float16")
    return {
        "seen": found.seen,
        "to_read": to_read,
        "read_bytes": found.read_bytes,
        "seconds": 0.0 if not to_read else seconds,
        "measured": measured,
        "disk_bytes": disk,
        "disk_free_bytes": found.disk_free_bytes,
        "notes": _notes(found),
    }


def _computed(name: str) -> float | None:
    """Seconds for one picture with a known model that is not here."""
    known = next((model for model in known_models() if model.name == name), None)
    return None if known is None else published_profile(known).image_seconds


def _notes(found: DryRun) -> list[str]:
    """Sentences about what is left out, for a person."""
    lines = [left_line(found.passed, planned=True), passed_line(found.passed), *program_line(found.program_folders)]
    unread = [f"{row['path']} cannot be looked into: {row['reason']}." for row in found.unreadable[:5]]
    return [printable(line) for line in (*unread, *map(on_a_page, lines)) if line]
