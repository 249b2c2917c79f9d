"""The sidecars that now lie beside one image file, and the orientation that they give. Costs one listing of the
folder."""

from __future__ import annotations

import os
from pathlib import Path

from imgsearch.errors import MediaError
from imgsearch.media.facts.sidecar_names import FoundSidecars, SidecarListing
from imgsearch.media.facts.sidecars import read_sidecars


def sidecars_of(path: Path) -> tuple[Path, ...]:
    """The sidecars of the image at ``path``. Where two give the same fact, the earlier one counts."""
    found = FoundSidecars(lambda _: False)
    folder = path.absolute().parent
    found.note_folder(os.fspath(folder))
    return tuple(folder / sidecar.name for sidecar in SidecarListing(found.folders.get("", ())).of(path.name))


def told_orientation(path: Path) -> int:
    """The orientation (1-8) that sidecars give to an image without one of its own; 0 for none."""
    try:
        return read_sidecars(map(os.fspath, sidecars_of(path))).orientation or 0
    except MediaError:
        return 0
