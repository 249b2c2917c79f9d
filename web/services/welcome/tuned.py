"""Tuned models among those that a first run offers (`imgsearch tune`, `imgsearch models`)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from imgsearch.errors import ImgsearchError
from imgsearch.extras import has_extra
from imgsearch.model import known_models, profile_for
from imgsearch.model.checkpoints.known import KnownModel
from imgsearch.model.checkpoints.resolve import find_source
from imgsearch.model.runtime_profile import RuntimeProfile
from imgsearch.model.runtimes.choice import index_bytes
from imgsearch.tuning.lineage import Tuned, read_lineage, tuned_models
from web.problems import printable

_MOST = 12  # on the page, the newest
_TITLES = {"mini": "the small model", "blip2-vitl": "the medium model", "blip2": "the large model"}


def offered() -> list[Tuned]:
    """The newest tuned models that a library can be made with: those that caption cannot, and a name that is no text
    cannot stand on a page."""
    found = [one for one in tuned_models() if one.lineage.get("kind") == "retrieval" and _is_text(one.folder)]
    return found[:_MOST]


def tuned_cards(free: int | None) -> list[dict[str, Any]]:
    """They as the page shows them; ``free`` bytes of memory. Their names are their folders. One whose files are damaged
    is left out."""
    cards = list[dict[str, Any]]()
    for one in offered():
        try:
            cards.append(_card(one, profile_for(one.folder), free))
        except ImgsearchError:
            continue
    return cards


def _card(one: Tuned, profile: RuntimeProfile, free: int | None) -> dict[str, Any]:
    base = _base_of(one.lineage)
    need = 2 * profile.weight_bytes if base is None else index_bytes(base, profile, find_source(one.folder))
    runs = has_extra("torch") or (profile.runtime == "numpy" and profile.cheap)
    return {
        "name": str(one.folder),
        "title": _title(one.folder),
        "about": printable(_about(one.lineage, base)),
        "photographs": base is None or base.subject == "photographs",
        "here": True,
        "download_bytes": 0,
        "memory_bytes": need,
        "fits": _fits(need, profile.weight_bytes, free),
        "seconds_each": profile.image_seconds,
        "graphics_card": not profile.on_cpu,
        "runs": runs,
        "note": ""
        if runs
        else "A part of the program is missing that this model needs: PyTorch, the extra “torch” or “cpu”.",
    }


def _fits(need: int, weights: int, free: int | None) -> str:
    """As `models` says it of a known model: reading alone, or searching beside it."""
    if free is None:
        return "unknown"
    return "no" if need > free else "yes" if need + weights <= free else "tight"


def _title(folder: Path) -> str:
    """What a person called it: the output folder of `imgsearch tune` holds the weights in one called "model"."""
    return printable((folder.parent.name if folder.name == "model" else folder.name) or str(folder))


def _about(lineage: dict[str, Any], base: KnownModel | None) -> str:
    pairs = lineage.get("pairs")
    pictures = pairs.get("pictures") if isinstance(pairs, dict) else None
    began = _TITLES.get(base.name, base.name) if base is not None else Path(str(lineage.get("base", "another"))).name
    words = [f"Tuned from {began}"]
    if isinstance(pictures, int):
        words.append(f"with {pictures:,} picture{'s' * (pictures != 1)}")
    return " ".join([f"{' '.join(words)}{_day(lineage.get('made_at'))}.", *_gain(lineage)])


def _gain(lineage: dict[str, Any]) -> Iterator[str]:
    """One sentence on searches among the withheld pictures, where something was measured."""
    try:
        rows = lineage["gains"]["withheld"]
        row = next(one for one in rows if (one["way"], one["score"], one["at"]) == ("text to image", "itm", 1))
        before, after, verdict = float(row["before"]), float(row["after"]), str(row["verdict"])
    except (KeyError, TypeError, ValueError, StopIteration):
        return
    said = f"{after:.0f} of 100 texts find their own picture first among those kept aside, {before:.0f} before"
    yield f"{said}." if verdict in ("better", "worse") else f"{said}: no certain difference."


def _day(made_at: object) -> str:
    try:
        day = date.fromisoformat(str(made_at)[:10])
    except ValueError:
        return ""
    return f" on {day.day} {day:%B} {day.year}"


def _base_of(lineage: dict[str, Any]) -> KnownModel | None:
    """The known model at the beginning; models may be tuned from tuned ones."""
    known = {model.name: model for model in known_models()}
    for _ in range(10):
        base = str(lineage.get("base", ""))
        if base in known:
            return known[base]
        earlier = read_lineage(Path(base).expanduser()) if base else None
        if earlier is None:
            return None
        lineage = earlier
    return None


def _is_text(folder: Path) -> bool:
    return str(folder) == printable(str(folder))
