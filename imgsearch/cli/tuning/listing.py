"""Tuned models in the list of `imgsearch models`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from imgsearch.cli.output.terminal import shown
from imgsearch.tuning.gains.sentences import first_figures
from imgsearch.tuning.lineage import Tuned


def tuned_lines(tuned: Iterable[Tuned]) -> Iterator[str]:
    """Two or more lines a model: where it is and what it comes from, and what it gained."""
    for one in tuned:
        about = one.lineage
        pairs = about.get("pairs") or {}
        yield ""
        yield f"{shown(str(one.folder))}"
        yield (
            f"{'':12}tuned from {shown(str(about.get('base')))} ({about.get('train')}) on {pairs.get('pictures', '?')} "
            f"pictures of {shown(str(pairs.get('source')))}, {about.get('made_at')}"
        )
        for line in first_figures(about):
            yield f"{'':12}{line}"


def tuned_as_json(one: Tuned) -> dict[str, Any]:
    """A row of the list as JSON: a model on disk, with its lineage."""
    return {"name": str(one.folder), "state": "on disk", "path": str(one.folder), "lineage": one.lineage}
