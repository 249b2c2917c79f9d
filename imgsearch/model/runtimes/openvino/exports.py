"""Where the exports of a checkpoint lie, and what they are. No torch, no OpenVINO.

openvino/<fingerprint, 16 letters>-<image size>-<recipe>/     beside the weights, or in the platform's cache folder
    export.json       what each part is, and how it was checked
    vision-float32.xml .bin     the ViT, for float32 and bfloat16
    vision-int8-<digest>.xml .bin     one for each calibration; the digest names its arithmetic
    tokens.xml .bin   features -> vectors
    rest.safetensors  the Q-Former, where the checkpoint's own file is read with torch alone
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imgsearch.files import write_whole
from imgsearch.model.checkpoints.resolve import ResolvedCheckpoint, shipped_folder

RECIPE = 1
"""How graphs are exported. Raise it when a change alters their answers; older ones are then made again."""

RECORD = "export.json"


@dataclass(frozen=True, slots=True)
class ExportedPart:
    """One exported arithmetic. ``stem``: its ViT's files without suffix. ``bytes``: of the ``.bin``, by which a cut
    file is known. ``cosine``: mean and least over the tokens of pictures that were compared with torch in float32.
    ``gflop_per_second``: of one core where it was exported, ``float32...``: of torch beside it. ``calibrated``: in
    words."""

    dtype: str
    stem: str
    bytes: int
    cosine: tuple[float, float]
    gflop_per_second: float
    float32_gflop_per_second: float
    processor: str
    calibrated: str = ""

    @property
    def loss(self) -> str:
        """ "cosine of a token 0.9996 in the mean, 0.998 at least" """
        mean, least = self.cosine
        return f"cosine of a token {mean:.5g} in the mean, {least:.4g} at least"


@dataclass(frozen=True, slots=True)
class Exports:
    """What is exported of one checkpoint at one image size, by dtype, the newest last."""

    folder: Path
    parts: Mapping[str, ExportedPart] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)

    def part(self, dtype: str) -> ExportedPart | None:
        """The part for a dtype: "float32", "bfloat16", "int8-<digest>", or "int8" for the newest of these. None where
        there is none, or its files are not whole."""
        names = [name for name in self.parts if name == dtype or (dtype == "int8" and name.startswith("int8"))]
        part = self.parts[names[-1]] if names else None
        return part if part is not None and self.is_whole(part) else None

    def is_whole(self, part: ExportedPart) -> bool:
        """Whether a part's files are there, and as long as they were."""
        graphs = [self.folder / part.stem, self.folder / "tokens"]
        try:
            if not all(graph.with_suffix(end).is_file() for graph in graphs for end in (".xml", ".bin")):
                return False
            return _binary(self.folder, part.stem).stat().st_size == part.bytes
        except OSError:
            return False

    @property
    def rest(self) -> Path | None:
        """The Q-Former's weights, where they had to be written down."""
        path = self.folder / "rest.safetensors"
        return path if path.is_file() else None

    def with_part(self, part: ExportedPart, config: Mapping[str, Any]) -> Exports:
        """The same with one more part, written down."""
        parts = {**{name: kept for name, kept in self.parts.items() if name != part.dtype}, part.dtype: part}
        record = {"recipe": RECIPE, "config": dict(config), "parts": [part_as_json(each) for each in parts.values()]}
        write_whole(self.folder / RECORD, json.dumps(record, indent=2).encode())
        return Exports(self.folder, parts, config)


def find_exports(source: ResolvedCheckpoint, fingerprint: str, image_size: int) -> Exports:
    """The exports of a checkpoint, wherever they lie; with no parts, and the folder where they would be written, where
    there are none."""
    places = [folder / _name(fingerprint, image_size) for folder in _places(source)]
    for place in places:
        found = _read(place)
        if found is not None:
            return found
    return Exports(places[0])


def _places(source: ResolvedCheckpoint) -> list[Path]:
    """Beside the weights first, if one may write there; the model that ships is left as it is."""
    import platformdirs

    beside = (source.path if source.kind == "directory" else source.path.parent) / "openvino"
    cached = Path(platformdirs.user_cache_dir("imgsearch", appauthor=False)) / "openvino"
    writable = os.access(beside if beside.is_dir() else beside.parent, os.W_OK)
    if beside.parent == shipped_folder() or not writable:
        return [cached, beside]
    return [beside, cached]


def _name(fingerprint: str, image_size: int) -> str:
    return f"{fingerprint[:16]}-{image_size}-{RECIPE}"


def _binary(folder: Path, stem: str) -> Path:
    return folder / f"{stem}.bin"


def _read(folder: Path) -> Exports | None:
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if record["recipe"] != RECIPE:
            return None
        parts = [ExportedPart(**{**one, "cosine": tuple(one["cosine"])}) for one in record["parts"]]
        return Exports(folder, {part.dtype: part for part in parts}, record["config"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def part_as_json(part: ExportedPart) -> dict[str, Any]:
    """Its fields by name."""
    return {name: getattr(part, name) for name in ExportedPart.__slots__}
