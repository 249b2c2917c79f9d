"""A server goes on while its library is switched to the vectors of another model."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colour_shelf import SIDE, ColourModel

from imgsearch.errors import ModelUnavailable
from imgsearch.media.decode import decode_file
from imgsearch.search.engine import Searcher
from imgsearch.search.query.description import Query
from imgsearch.storage import open_store
from imgsearch.storage.beside import add_beside, begin_beside
from imgsearch.storage.upkeep.switching import forget_vectors, switch_vectors
from web.services.search_service import SearchService

RED = Query("red", k=12, everything=True)


class TurnedModel(ColourModel):
    """Sees every colour as the next one, so that its vectors with the other model's texts would answer wrongly."""

    model_id = replace(ColourModel.model_id, name="turned", fingerprint="ef" * 32)

    def embed_features(self, features: np.ndarray) -> np.ndarray:
        return super().embed_features(np.asarray(features)[..., [1, 2, 0, 3]])

    def embed_texts(self, texts: Any, max_tokens: int = 32) -> np.ndarray:
        return super().embed_texts(texts)[:, [1, 2, 0, 3]]

    def match_both(self, texts: Any, features: np.ndarray, max_tokens: int = 32) -> np.ndarray:
        return ColourModel().match_both(texts, features)


@pytest.fixture
def shelf(make_shelf: Callable[..., Any]) -> Any:
    """A shelf with the vectors of `TurnedModel` beside."""
    made = make_shelf()
    model = TurnedModel()
    with open_store(made.store.path) as store:
        beside = begin_beside(store, model.model_id)
        paths = store.paths(range(1, 1 + store.stats().images))
        pixels = np.stack([decode_file(path, SIDE).pixels for path in paths.values()])
        vectors = model.embed_images(model.preprocess_arrays(pixels))
        add_beside(beside, dict(zip(paths, vectors, strict=True)))
    return made


def reopened(folder: Path) -> Searcher:
    return Searcher(open_store(folder), TurnedModel())  # type: ignore[arg-type]


def ids(service: Any) -> list[int]:
    return [hit.image_id for hit in service.search(RED).hits]


def test_answers_never_fail_and_are_the_new_models_after_a_switch(shelf: Any) -> None:
    folder = shelf.store.path
    expected = ids(shelf.service)
    service = SearchService(Searcher(open_store(folder), ColourModel()), reopen=lambda: reopened(folder))  # type: ignore[arg-type]
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(ids, service) for _ in range(20)]
        switch_vectors(shelf.store)
        answers += [pool.submit(ids, service) for _ in range(40)]
        assert all(answer.result() == expected for answer in answers)
    service.switching.wait()
    assert service.store.model.name == "turned"
    assert ids(service) == expected
    switch_vectors(shelf.store, back=True)
    assert ids(service) == expected
    service.close()


def test_former_model_answers_while_the_new_one_loads_even_if_its_vectors_are_removed(shelf: Any) -> None:
    folder, loaded = shelf.store.path, threading.Event()

    def slowly() -> Searcher:
        loaded.wait(30)
        return reopened(folder)

    service = SearchService(Searcher(open_store(folder), ColourModel()), reopen=slowly)  # type: ignore[arg-type]
    expected = ids(service)
    switch_vectors(shelf.store)
    assert ids(service) == expected
    forget_vectors(open_store(folder))
    assert ids(service) == expected
    assert service.searcher.model.model_id.name == "colours"
    loaded.set()
    service.switching.wait()
    assert service.searcher.model.model_id.name == "turned"
    assert ids(service) == expected
    service.close()


def test_a_model_that_cannot_be_loaded_leaves_the_former_one(shelf: Any, caplog: pytest.LogCaptureFixture) -> None:
    def missing() -> Searcher:
        raise ModelUnavailable("the weights of turned are not on this computer", "")

    service = SearchService(Searcher(open_store(shelf.store.path), ColourModel()), reopen=missing)  # type: ignore[arg-type]
    expected = ids(service)
    switch_vectors(shelf.store)
    ids(service)
    service.switching.wait()
    assert ids(service) == expected
    assert caplog.text.count("not on this computer") == 1
    service.close()
