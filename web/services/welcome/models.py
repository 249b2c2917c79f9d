"""The models that a first run offers, in plain words: what each needs, how fast it is here, and whether it has to be
fetched."""

from __future__ import annotations

import re
import threading
import time
from typing import Any

from imgsearch.cli.model_runtimes import timed_once
from imgsearch.cli.verbs.models import ModelRow, describe, in_megabytes
from imgsearch.errors import ModelUnavailable, StorageFull
from imgsearch.extras import has_extra
from imgsearch.model import known_models
from imgsearch.model.checkpoints.pull import pull_model
from imgsearch.model.memory import available_bytes
from imgsearch.progress import StageProgress
from web.services.welcome.tuned import tuned_cards

_TITLES = {
    "mini": ("Small", "For a first look: it knows drawn scenes, not photographs. It comes with the program."),
    "blip2-vitl": ("Medium", "For photographs on a computer without a graphics card; nearly as good as the large one."),
    "blip2": ("Large", "For photographs: finds best. On a computer without a graphics card it takes patience."),
    "blip2-coco": ("Large, looks closer", "For photographs: sees small things better, and takes three times as long."),
}
_PHOTOGRAPHS = ("blip2-vitl", "blip2", "blip2-coco", "mini")  # the order on the page
_FRESH_S = 5.0

_lock = threading.Lock()
_known: tuple[float, list[ModelRow]] | None = None


def model_cards() -> list[dict[str, Any]]:
    """The known models and, behind them, those that were tuned here, as the page shows them; one of the known is
    ``suggested``. Times the processor once (0.1 s); what is on disk is looked up again after five seconds."""
    rows, free = _rows(), available_bytes()
    rows.sort(key=lambda row: _PHOTOGRAPHS.index(row.model.name) if row.model.name in _PHOTOGRAPHS else -1)
    cards = [_card(row, free) for row in rows]
    wanted = _suggested(rows, cards)
    return [card | {"suggested": card["name"] == wanted} for card in (*cards, *tuned_cards(free))]


def _rows() -> list[ModelRow]:
    global _known
    with _lock:
        if _known is None or time.monotonic() - _known[0] > _FRESH_S:
            timed_once()
            _known = (time.monotonic(), [describe(model) for model in known_models()])
        return list(_known[1])


def forget_models() -> None:
    """Look at the disk anew, because a model was fetched."""
    global _known
    with _lock:
        _known = None


def _card(row: ModelRow, free: int | None) -> dict[str, Any]:
    model, profile = row.model, row.profile
    title, about = _TITLES.get(model.name, (model.name, model.about))
    runs = has_extra("torch") or (profile is not None and profile.runtime == "numpy" and profile.cheap)
    return {
        "name": model.name,
        "title": title,
        "about": about,
        "photographs": model.subject == "photographs",
        "here": row.state == "on disk",
        "download_bytes": model.download_bytes,
        "memory_bytes": row.memory_bytes,
        "fits": _fits(row, free),
        "seconds_each": None if profile is None else profile.image_seconds,
        "graphics_card": profile is not None and not profile.on_cpu,
        "runs": runs,
        "note": _note(row, runs=runs),
    }


def _note(row: ModelRow, *, runs: bool) -> str:
    if not runs:
        return "A part of the program is missing that this model needs: PyTorch, the extra “torch” or “cpu”."
    return {"incomplete": "It is here in part; fetching goes on where it stopped.", "damaged": row.note}.get(
        row.state, ""
    )


def _fits(row: ModelRow, free: int | None) -> str:
    """ "yes" if reading and searching fit into the memory that is free, "tight" if reading alone does, "no", or
    "unknown"."""
    if free is None:
        return "unknown"
    need = row.memory_bytes
    search = row.profile.weight_bytes if row.profile is not None else need // 2
    return "yes" if need + search <= free else "tight" if need <= free else "no"


def _suggested(rows: list[ModelRow], cards: list[dict[str, Any]]) -> str:
    """The largest model for photographs that is quick enough here; one that is on disk rather than one to fetch."""
    usable = [card for card in cards if card["photographs"] and card["runs"] and card["fits"] != "no"]
    fast = any(card["graphics_card"] for card in cards)
    order = ("blip2", "blip2-vitl") if fast else ("blip2-vitl", "blip2")
    here = [card["name"] for card in usable if card["here"]]
    ranked = [name for name in order if name in here] + [
        name for name in order if name in {card["name"] for card in usable}
    ]
    return ranked[0] if ranked else ""


def fetch_model(name: str, told: StageProgress) -> dict[str, Any]:
    """Fetch a known model's files, or go on where an earlier try stopped. Raises what `pull_model` raises, in words for
    somebody who sees a page."""
    try:
        pulled = pull_model(name, in_megabytes(told))
    except ModelUnavailable as error:
        message = re.sub(r"^\S+ cannot be fetched", "the model cannot be fetched", error.message)
        message = re.sub(r" \(\w+\)$", "", message)
        hint = "Is this computer online? What was fetched is kept: try again later, or copy the model's folder here."
        raise ModelUnavailable(message, hint if "does not answer" in message else error.hint) from error
    except StorageFull as error:
        raise StorageFull(error.message, "free some space, then try again") from error
    return {"model": name, "already": pulled.already}
