"""Two batches at the encoder, as on a GPU: the library is the one that a batch at a time makes."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest

from imgsearch.model.runtime_profile import RuntimeProfile
from imgsearch.storage import open_store
from indexer.encoder import Encoder


def contents(desk: Any) -> tuple[dict[str, bytes], int]:
    """Vectors by content, and the number of files."""
    with open_store(desk.library) as store:
        view = store.view()
        vectors = {
            record.facts.content_hash: view.read(np.array([record.slot])).tobytes() for record in store.iter_images()
        }
        return vectors, store.stats().files


def test_overlapped_batches_make_the_same_library(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (0, 5, 11):  # copies, decoded while their content is being encoded
        shutil.copy(desk.photos / f"scene{number:02d}.png", desk.photos / f"scene{number:02d}b.png")
    monkeypatch.setattr(RuntimeProfile, "overlaps_commits", property(lambda self: True))
    summary = desk.index(batch_size=2)
    assert (summary.embedded, summary.new, summary.copied) == (12, 12, 3)
    overlapped = contents(desk)
    monkeypatch.undo()
    shutil.rmtree(desk.library)
    desk.index(batch_size=2)
    assert overlapped == contents(desk)


def test_batches_answer_in_their_own_order() -> None:
    class Model:
        profile = RuntimeProfile("torch", "cuda:0", "float32", 1.0, 1.0, 1)

        def preprocess_arrays(self, arrays: Any) -> Any:
            return arrays

        def encode_images(self, pixels: Any) -> Any:
            return pixels[:, :, 0].astype(np.float32)

        def embed_features(self, features: Any) -> Any:
            return features[:, :1]

        def quantise(self, features: Any) -> Any:
            return features.astype(np.int8), np.ones(features.shape[:2], np.float32)

    loads: list[int] = []
    encoder = Encoder(lambda: loads.append(1) or Model(), keep_features=True)  # type: ignore[func-returns-value]
    batches = [[np.full((2, 2, 3), 10 * batch + one, np.uint8) for one in range(3)] for batch in range(6)]
    found = [future.result() for future in [encoder.submit(batch) for batch in batches]]
    values = [[int(vector[0, 0]) for vector in encoded.vectors] for encoded in found]  # type: ignore[index]
    assert values == [[10 * batch + one for one in range(3)] for batch in range(6)] and len(loads) == 1
    assert all(kept is not None and kept.steps.dtype == np.int8 for encoded in found for kept in encoded.features)
    encoder.close()
