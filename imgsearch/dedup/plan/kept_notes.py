"""Facts that a moved copy holds and the kept file does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imgsearch.dedup.evidence.records import Copy
from imgsearch.media.facts.sidecar_names import xmp_names

_FACTS = ("taken_at", "camera", "latitude", "longitude")
_MOST_XMP_BYTES = 1 << 20


def facts_only_of(copy: Copy, keeper: Copy) -> dict[str, Any]:
    """``{"facts": {...}, "xmp": {...}}``: facts that the camera wrote into the copy alone, and the XMP file beside it
    (its path and text), if the keeper has none; empty if there is nothing. XMP files stay where they are."""
    facts = {
        name: value
        for name in _FACTS
        if (value := getattr(copy.facts, name)) is not None and getattr(keeper.facts, name) is None
    }
    found: dict[str, Any] = {"facts": facts} if facts else {}
    own = _xmp_beside(copy.path)
    if own is not None and _xmp_beside(keeper.path) is None:
        found["xmp"] = {"path": str(own), "text": _text(own)}
    return found


def _xmp_beside(path: str) -> Path | None:
    """The XMP file of the image, under the names that Lightroom, darktable and similar programs use."""
    picture = Path(path)
    try:
        return next((one for one in map(picture.with_name, xmp_names(picture.name)) if one.is_file()), None)
    except OSError:  # a name too long, a folder gone
        return None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_XMP_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
