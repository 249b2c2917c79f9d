"""ITM re-reads the best candidates: takes their pictures again, matches each with the text, and orders them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from imgsearch.errors import MediaError
from imgsearch.index.rows import rank_order
from imgsearch.model.contract import Array, Embedder
from imgsearch.records import Float32, Int64, UInt8
from imgsearch.search.pictures import as_numpy, decode_all, encode_batch_size


class Model(Embedder, Protocol):
    """What a re-rank asks of a model."""

    @property
    def device(self) -> str: ...

    def match_both(self, texts: Sequence[str], features: Array) -> Array:
        """Text i with picture i -> float32 [K, 2], the logits of "does not match" and "matches"."""
        ...

    def count_tokens(self, text: str) -> int: ...


@dataclass(frozen=True, slots=True)
class Match:
    """The head's answer for one picture: the raw class-1 logit, and the softmax over both."""

    logit: float
    probability: float


@dataclass(frozen=True, slots=True)
class Source:
    """Where a candidate's picture may be read, best first, and the content it was indexed with (sha256, hex)."""

    paths: Sequence[Path]
    content_hash: str


def default_rerank(device: str, image_size: int) -> int:
    """How many candidates are re-ranked unless the person says: by cost, never by k.

    A re-ranked picture is decoded and encoded again. On a CPU the small model (4 + 4 layers of width 192, 128 px) takes
    13 ms a picture on one EPYC core, so 16 are 0.2 s; the real one takes seconds a picture, so 4 are as long as a
    person may be made to wait unasked. On an accelerator that is no matter: 64, half of what the authors evaluate with
    (not measured).
    """
    if not device.startswith("cpu"):
        return 64
    return 16 if image_size < 200 else 4


def match_candidates(model: Model, text: str, sources: Sequence[Source]) -> tuple[list[Match | None], list[str]]:
    """Match ``text`` with each source's picture. A picture that is gone, cannot be decoded, or is no longer what was
    indexed has None; sentences say how many and why. Pixels come by the way that indexing took them, so the features
    are those that the stored vectors were made from."""
    pixels, reasons = _read_pixels(sources, model.image_size)
    matches: list[Match | None] = [None] * len(sources)
    readable = sorted(pixels)
    step = encode_batch_size(model.device, model.image_size)
    for first in range(0, len(readable), step):
        part = readable[first : first + step]
        features = model.encode_images(model.preprocess_arrays(np.stack([pixels[index] for index in part])))
        answers = as_numpy(model.match_both([text] * len(part), features)).astype(np.float64)  # [n, 2]
        for index, (against, in_favour) in zip(part, answers.tolist(), strict=True):
            matches[index] = Match(in_favour, float(1.0 / (1.0 + np.exp(np.clip(against - in_favour, -500, 500)))))
    return matches, _sentences(reasons)


def _read_pixels(sources: Sequence[Source], size: int) -> tuple[dict[int, UInt8], list[str]]:
    """Pixels by the source's index, tried at every path in turn; the reason for each source that has none."""
    pixels: dict[int, UInt8] = {}
    reasons: dict[int, str] = dict.fromkeys(range(len(sources)), "gone")
    for turn in range(max((len(source.paths) for source in sources), default=0)):
        waiting = [i for i, source in enumerate(sources) if i not in pixels and turn < len(source.paths)]
        for index, outcome in zip(waiting, decode_all([sources[i].paths[turn] for i in waiting], size), strict=True):
            if isinstance(outcome, MediaError):
                reasons[index] = outcome.message
            elif outcome.facts.content_hash != sources[index].content_hash:
                reasons[index] = f"{sources[index].paths[turn].name} has changed since it was indexed"
            else:
                pixels[index] = outcome.pixels
    return pixels, [reason for index, reason in reasons.items() if index not in pixels]


def _sentences(reasons: Sequence[str]) -> list[str]:
    if not reasons:
        return []
    count = "1 candidate was" if len(reasons) == 1 else f"{len(reasons)} candidates were"
    return [f"{count} not re-ranked and kept the place of the first search: {reasons[0]}"]


def fused_order(itc: Float32, matches: Sequence[Match | None], image_ids: Int64) -> Int64:
    """The places of candidates, best first. ``itc`` [n] and ``image_ids`` [n] are in the first search's order,
    ``matches`` [m <= n] belong to the first m. -> [n] positions.

    Matched candidates go by ITC + raw class-1 logit, as the authors fuse them, rounded to 1e-5, then by image id. One
    without a match keeps the place that it had among all; those after the m-th are not touched.
    """
    order = np.arange(len(itc), dtype=np.int64)
    matched = np.array([i for i, match in enumerate(matches) if match is not None], np.int64)
    logits = np.array([match.logit for match in matches if match is not None], np.float64)
    order[matched] = matched[rank_order(itc[matched].astype(np.float64) + logits, image_ids[matched])]
    return order
