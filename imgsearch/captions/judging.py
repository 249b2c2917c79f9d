"""Whether a caption is sure, by a library's own calibration."""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any

from imgsearch.model.arrays import as_numpy
from imgsearch.records import Float32
from imgsearch.search.calibration import UNDIVIDED, Calibration, ScoreBackground, evenly
from imgsearch.search.query.parts import agreements, parts_of
from imgsearch.storage import Store


class CalibratedJudge:
    """A `imgsearch.generation.checked.Judge`. A caption is sure if ITM prefers a match, and if a search for its words
    would call the image a confident match. The background is the library's, as it was at the first call. Cost: a few ms
    a caption."""

    def __init__(self, store: Store, model: Any, calibration: Calibration) -> None:
        self._store, self._model, self._calibration = store, model, calibration

    @cached_property
    def _sample(self) -> Float32:
        """Vectors float32 [n, T, D]."""
        view = self._store.view()
        return view.read(view.live_slots[evenly(view.count)])

    def __call__(self, text: str, margin: float, features: Float32) -> bool:
        if margin < 0:
            return False
        tokens = as_numpy(self._model.embed_features(features[None]))  # [1, T, D]
        vector = as_numpy(self._model.embed_texts([text]))  # [1, D]
        itc = float((tokens[0] @ vector[0]).max())
        z = float(ScoreBackground.of(self._sample, vector).z(itc))
        agreement = UNDIVIDED
        if self._calibration.reads_parts:
            parts = parts_of(text)
            vectors = as_numpy(self._model.embed_texts(list(parts.texts)))
            agreement = agreements(parts, vectors, tokens, partial(ScoreBackground.of_many, self._sample))[0]
        return self._calibration.strength(margin, itc, z, agreement) >= 0
