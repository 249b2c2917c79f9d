"""Tasks in the hardened pool's workers for looks at pairs: make a small image, find starts, register pairs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

import numpy as np

from imgsearch.dedup.pixels.registration.planes import READ_SIDE, small_planes
from imgsearch.dedup.pixels.registration.register import Alignment, register
from imgsearch.dedup.pixels.registration.sheets import read_planes, read_signatures
from imgsearch.dedup.pixels.registration.starts import Starts, find_starts
from imgsearch.media.decode import open_upright
from imgsearch.media.limits import DecodeLimits

TASK = "imgsearch.dedup.pixels.registration.task:work"

Answer = tuple[dict[str, Any], bytes]


def work(arguments: list[Any], settings: dict[str, Any], limits: DecodeLimits) -> Answer:
    """["planes", path, sha256], ["starts", pairs] or ["looks", pairs, starts]; a pair is [row, row] of the sheets that
    ``settings`` names. Raises MediaError."""
    kind, *rest = arguments
    if kind == "planes":
        path, content_hash = rest
        image = open_upright(path, READ_SIDE, limits=limits, content_hash=content_hash)
        return {}, small_planes(image).tobytes()
    if kind == "starts":
        return {}, _listed(_starts(settings["sheets"], rest[0]))
    return {}, json.dumps([astuple(seen) for seen in _looks(settings["sheets"], *rest)]).encode("ascii")


def starts_from(listed: Sequence[Sequence[Any]]) -> Starts:
    """`Starts` from a list for each pair of [orientation, six numbers of the map, correlation, rest]."""
    table = np.array(listed, np.float32)  # [n, k, 9]
    n, k = table.shape[:2]
    orientations, maps = table[:, :, 0].astype(np.int64), table[:, :, 1:7].reshape(n, k, 2, 3)
    return Starts(orientations, maps, table[:, :, 7], table[:, 0, 8])


def alignments_from(body: bytes) -> list[Alignment]:
    """The alignments from an answer to "looks"."""
    return [Alignment(kind, orientation, tuple(box), *rest) for kind, orientation, box, *rest in json.loads(body)]


def _starts(path: str, pairs: Sequence[Sequence[int]]) -> Starts:
    first, second = zip(*pairs, strict=True)
    return find_starts(read_signatures(path, first), read_signatures(path, second))


def _listed(starts: Starts) -> bytes:
    n, k = starts.orientations.shape
    rest = np.broadcast_to(starts.rest[:, None], (n, k))
    parts = (
        starts.orientations[..., None],
        starts.maps.reshape(n, k, 6),
        starts.correlation[..., None],
        rest[..., None],
    )
    table = np.concatenate(parts, axis=2)
    return json.dumps(np.round(table.astype(np.float64), 5).tolist()).encode("ascii")


def _looks(path: str, pairs: Sequence[Sequence[int]], starts: Sequence[Sequence[Any]]) -> list[Alignment]:
    first, second = zip(*pairs, strict=True)
    return list(register(read_planes(path, first), read_planes(path, second), starts_from(starts)))
