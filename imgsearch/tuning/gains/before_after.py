"""What a run measures: the person's withheld pictures, and general ones that must stay known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from imgsearch.evaluation.retrieval import MAX_TOKENS, similarities
from imgsearch.files import drafted
from imgsearch.model.arrays import as_numpy
from imgsearch.model.runtimes.torch.blip2 import Blip2Model
from imgsearch.records import Int64
from imgsearch.training.features import FeatureTable, encode_rows
from imgsearch.training.forms import OwnForm
from imgsearch.tuning.gains.measure import Ranks, first_true, measure
from imgsearch.tuning.pictures.prepare import Prepared
from imgsearch.tuning.pictures.source import Truth, TuningPairs
from imgsearch.wording import counted

WITHHELD, GENERAL = "withheld", "general"
CHECKS, GENERAL_CHECKS = "checks", "general checks"  # by which a run is steered
_CAPTIONS = 5  # of a picture that has more, as in COCO's and Flickr's evaluations
_DEPTH = 16
"""Pictures and captions re-ranked at least: R@10 needs ten, and `imgsearch search` re-ranks 16 with the small model."""

_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """``rows`` int64 [I] are places among the run's pictures; ``texts`` [Q] their captions, ``owners`` int64 [Q] the
    place in ``rows`` of each; ``truth`` bool [I, Q]."""

    rows: Int64
    texts: tuple[str, ...]
    owners: Int64
    truth: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Judge:
    """Measures the network as it is. ``features``: those that are kept, None where the ViT learns too."""

    model: Blip2Model
    form: OwnForm
    source: TuningPairs
    features: FeatureTable | None

    def ranks(self, judged: JudgedSet) -> Ranks:
        """By the whole search, re-ranking included."""
        depth = max(_DEPTH, self.model.profile.rerank_depth)
        return measure(self.model, self._features(judged.rows), judged.texts, judged.truth, depth=depth)

    def score(self, judged: JudgedSet) -> float:
        """R@1 by ITC alone, the mean of both ways, 0..1: what a run is steered by. A tenth of the cost of `ranks`."""
        tokens = [
            as_numpy(self.model.embed_features(self._features(judged.rows[start : start + _AT_ONCE])))
            for start in range(0, len(judged.rows), _AT_ONCE)
        ]
        texts = as_numpy(self.model.embed_texts(judged.texts, max_tokens=MAX_TOKENS))
        sims = similarities(np.concatenate(tokens), texts)
        ways = first_true(np.ascontiguousarray(sims.T), judged.truth.T), first_true(sims, judged.truth)
        return float(np.mean([np.mean(ranks == 0) for ranks in ways]))

    def _features(self, rows: Int64) -> NDArray[np.float16]:
        """float16 [n, N, W], as a run keeps them."""
        found = np.empty((len(rows), *self.form.features_shape), np.float16)
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            batch = encode_rows(self.form, self.source, part) if self.features is None else self.features.of(part)
            found[start : start + len(part)] = batch.cpu().numpy()
        return found


def judged_sets(prepared: Prepared) -> dict[str, JudgedSet]:
    """The two sets that a run is judged by, by name."""
    return _by_name(prepared, {WITHHELD: prepared.withheld, GENERAL: prepared.general})


def checked_sets(prepared: Prepared) -> dict[str, JudgedSet]:
    """The two sets that a run is steered by, by name."""
    return _by_name(prepared, {CHECKS: prepared.checks, GENERAL_CHECKS: prepared.general_checks})


def measure_sets(judge: Judge, sets: dict[str, JudgedSet], path: Path, log: Callable[[str], None]) -> dict[str, Ranks]:
    """Measure both sets, or read what an earlier part of the run measured into ``path``."""
    if path.exists():
        with np.load(path) as kept:
            names = list(Ranks.__slots__)
            return {name: Ranks(*(kept[f"{name}.{field}"] for field in names)) for name in sets}
    found = {}
    for name, judged in sets.items():
        log(f"measuring {len(judged.rows):,} {name} pictures with {counted(len(judged.texts), 'caption')}")
        with torch.inference_mode():
            found[name] = judge.ranks(judged)
    arrays = {f"{name}.{field}": array for name, ranks in found.items() for field, array in asdict(ranks).items()}
    with drafted(path) as draft:
        np.savez(draft, **arrays)
    return found


def _by_name(prepared: Prepared, sets: dict[str, Int64]) -> dict[str, JudgedSet]:
    truth = Truth(prepared.pictures)
    return {name: _judged(prepared, rows, truth) for name, rows in sets.items()}


def _judged(prepared: Prepared, rows: Int64, truth: Truth) -> JudgedSet:
    captions = [prepared.pictures.captions[row][:_CAPTIONS] for row in rows]
    texts = tuple(caption for several in captions for caption in several)
    owners = np.repeat(np.arange(len(rows)), [len(several) for several in captions])
    return JudgedSet(rows, texts, owners, truth.matrix(texts, rows[owners].tolist(), rows.tolist()))
