"""The composition root: settings in, open objects out. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgsearch.errors import ModelError, ModelUnavailable
from imgsearch.records import MODEL_FREE, ModelId, is_model_free
from imgsearch.settings import Settings

if TYPE_CHECKING:
    from imgsearch.index import IndexOpener
    from imgsearch.index.qdrant.address import QdrantAddress
    from imgsearch.model.runtime_profile import RuntimeProfile
    from imgsearch.model.runtimes.numpy.model import NumpyModel
    from imgsearch.search.calibration import Calibration
    from imgsearch.search.engine import Searcher
    from imgsearch.storage import FeatureStore, Store

DEFAULT_MODEL = "blip2"
"""The model of a new library: the real one, never silently the small one."""


SEARCH_TIMEOUT_S = 5.0
"""For an answer of the vector server to a search; then the search goes on at home."""

MODEL_FREE_SIDE = 128
"""Pixels for which a library without a model decodes its pictures: the small model's, so that signatures are the same
as in a library of that model."""


def open_store(settings: Settings) -> Store:
    """The library that the settings name. Raises LibraryMissing where there is none, LibraryUnsupported for a newer
    format, CatalogUnreachable."""
    from imgsearch import storage

    return storage.open_store(settings.library, catalog_url=settings.catalog_url)


def create_store(settings: Settings, model: ModelId) -> Store:
    """The library that the settings name, made if it is not there. All that is quick to check of the model is checked
    before. Raises ModelMismatch if it is another model's, CheckpointInvalid, ModelUnavailable."""
    from imgsearch import storage

    if not is_model_free(model) and not storage.library_exists(settings.library):
        check_model(settings.model or model.name)
    return storage.create_store(settings.library, model, catalog_url=settings.catalog_url)


def rebound(settings: Settings, store: Store) -> Store:
    """``store``, or where it holds no picture yet and the settings name another model, or its own one has changed, the
    same library for that model. Raises as ``create_store`` does; the store is closed then."""
    from imgsearch.storage.upkeep.rebinding import is_unbound, rebind_store

    if not is_unbound(store):
        return store
    wanted = replace(settings, model=settings.model or store.model.name)
    try:
        model = model_id(wanted)
        if model == store.model:
            return store
        if not is_model_free(model):
            check_model(wanted.model)
        return rebind_store(store, model)
    except ModelError:
        if not settings.model:  # nobody asked for it: loading it will tell, where a picture needs it
            return store
        store.close()
        raise
    except BaseException:
        store.close()
        raise


def check_model(name: str) -> None:
    """Raise ModelUnavailable or CheckpointInvalid for a model with something wrong that is quick to see."""
    from imgsearch import model

    model.check_model(name)


def open_model(settings: Settings, library_model: ModelId | None = None) -> Any:
    """The loaded model: the one that the settings name, else the library's, else blip2; on the settings' device and at
    the image size that the library was made with. Without torch it is computed in NumPy, where NumPy can. Raises
    ModelUnavailable, CheckpointInvalid, NotEnoughMemory, ExtraMissing."""
    from imgsearch.model.runtimes.opened import open_to_index

    name, dtype, image_size = _named(settings, library_model)
    _require_model(name)
    return open_to_index((name, settings.device, dtype, image_size), settings.runtime)


def model_id(settings: Settings, library_model: ModelId | None = None) -> ModelId:
    """The identity of what ``open_model`` would load, without loading it; for the name "none" that of a library without
    a model. Raises as it does."""
    name, dtype, image_size = _named(settings, library_model)
    if name == MODEL_FREE:
        return model_free_id()
    from imgsearch.model import int8_of, model_id_of

    dtype = int8_of(name, image_size) if dtype == "int8" else dtype
    return model_id_of(name, device=settings.device, dtype=dtype, image_size=image_size)


def prepare_model(settings: Settings, places: Sequence[str], told: Callable[[str], None]) -> None:
    """Before a new library is made: export the model where the settings ask for OpenVINO, int8 calibrated on pictures
    in ``places``. Raises as ``open_model`` does."""
    if settings.dtype != "int8" and settings.runtime != "openvino":
        return
    from imgsearch.model.runtimes.opened import prepare

    name, dtype, image_size = _named(settings, None)
    if name != MODEL_FREE:
        named = (name, settings.device, dtype, image_size)
        prepare(named, settings.runtime, [Path(place) for place in places], told)


def runtime_profile(settings: Settings, library_model: ModelId | None = None) -> RuntimeProfile:
    """What the model of ``open_model`` runs in here, what it costs, and the defaults that follow. Loads no weights.
    Raises as ``open_model`` does."""
    from imgsearch.model import profile_for

    name, dtype, image_size = _named(settings, library_model)
    _require_model(name)
    return profile_for(name, settings.device, dtype, image_size, settings.runtime)


def model_free_id() -> ModelId:
    """What a library without a model is marked with: it stores one number a picture, 2 bytes, in place of vectors."""
    from imgsearch.media.preprocess import RECIPE

    return ModelId(MODEL_FREE, MODEL_FREE, f"{RECIPE}-{MODEL_FREE_SIDE}", "float16", query_tokens=1, dims=1)


def open_search_model(settings: Settings, library_model: ModelId | None = None) -> Any:
    """The model of ``open_model`` for few texts and pictures at a time: without torch where the device is the CPU and
    the checkpoint allows it (see `imgsearch.model.open_numpy`), so that a fresh process answers in a fraction of what
    importing torch takes; the same answers, but for a closer arithmetic that may stand in for a library's own
    (`imgsearch.model.open_numpy`). Raises as ``open_model`` does."""
    from imgsearch.model.runtimes.opened import open_to_search

    name, dtype, image_size = _named(settings, library_model)
    _require_model(name)
    return open_to_search((name, settings.device, dtype, image_size), settings.runtime)


def open_numpy_model(settings: Settings, library_model: ModelId | None = None) -> NumpyModel | None:
    """The model of ``open_model`` without torch; None where that cannot be, or a person named another runtime. Raises
    as ``open_model`` does."""
    from imgsearch.model import open_numpy

    name, dtype, image_size = _named(settings, library_model)
    _require_model(name)
    if settings.runtime in ("torch", "openvino"):
        return None
    return open_numpy(name, settings.device, dtype, image_size)


def open_searcher(settings: Settings, told: Callable[[str], None] | None = None) -> Searcher:
    """A searcher over the library, with its model opened. Whoever opens it closes it. ``told`` hears what comes next.

    Raises LibraryMissing, ModelMismatch if the settings name a model that made neither the library's vectors nor those
    beside them (found out before anything is loaded), and what ``open_model`` raises.
    """
    from imgsearch.search.engine import Searcher
    from imgsearch.search.text_evidence import SOURCES, WITH_CAPTIONS

    store = open_store(settings)
    try:
        store = _searched(settings, store)
        store.require_vectors()
        name = settings.model or store.model.name
        if told is not None:
            told(f"checking the model {name} (1 of 3)")
        store.require_model(model_id(settings, store.model))
        if told is not None:
            told(f"loading the model {name} (2 of 3)")
        model = open_search_model(settings, store.model)
        model.profile = replace(model.profile, rerank_budget_ms=settings.rerank_budget_ms)
        return Searcher(
            store,
            model,
            features=feature_store(settings, store),
            calibration=calibration_of(store),
            texts=WITH_CAPTIONS if settings.caption_search == "on" else SOURCES,
            opener=index_opener(settings),
        )
    except BaseException:
        store.close()
        raise


def _searched(settings: Settings, store: Store) -> Store:
    """The library with the vectors that the settings' model made: those beside its own where these are named."""
    from imgsearch.storage.beside import store_beside
    from imgsearch.storage.catalog.beside import same_vectors

    beside = store_beside(store) if settings.model else None
    if beside is None or not same_vectors(model_id(settings, beside.model), beside.model):
        return store
    return beside


def index_opener(settings: Settings) -> IndexOpener:
    """Where a search's candidates come from: the Qdrant server that the settings name, else the library itself. Raises
    UsageError for an address that is none."""
    from imgsearch.index import open_at_home

    address = qdrant_address(settings)
    if address is None:
        return open_at_home
    from imgsearch.index.qdrant import QdrantOpener

    return QdrantOpener(replace(address, timeout_s=SEARCH_TIMEOUT_S), open_at_home)


def qdrant_address(settings: Settings) -> QdrantAddress | None:
    """The server that the settings name, with the key from the environment (IMGSEARCH_QDRANT_API_KEY); None if they
    name none. Raises UsageError for an address that is none, and for a data type that loses answers."""
    if not settings.qdrant_url:
        return None
    from imgsearch.index.qdrant.address import KEY_VARIABLE, QdrantAddress

    return QdrantAddress(
        settings.qdrant_url,
        settings.qdrant_collection,
        settings.qdrant_vectors,
        settings.qdrant_shards,
        settings.qdrant_replicas,
        api_key=os.environ.get(KEY_VARIABLE) or None,
    )


def feature_store(settings: Settings, store: Store) -> FeatureStore | None:
    """Where ViT features of the library's pictures are kept, as the settings say; None where they keep none. "all" is
    remembered in the library, until another word is given. None for a library without a model."""
    from imgsearch.storage import FeatureStore

    if is_model_free(store.model):
        return None
    kept = FeatureStore(store.layout.features, store.model, settings.features_mb * 1_000_000)
    if settings.features:
        kept.keep_all(settings.features == "all")
    return None if settings.features == "none" else kept


def calibration_of(store: Store) -> Calibration | None:
    """The rule that says which of the library's hits are confident: its own (`imgsearch calibrate`), else the one that
    its model came with; None where there is neither."""
    from imgsearch.search.calibration import Calibration

    own = store.calibration()
    return Calibration.from_json(own) if own else model_calibration(store.model)


def model_calibration(model: ModelId) -> Calibration | None:
    """The rule that a model came with; None without one."""
    from imgsearch.model import shipped_calibration
    from imgsearch.search.calibration import Calibration

    shipped = shipped_calibration(model)
    return Calibration.from_json(shipped) if shipped else None


def save_calibration(settings: Settings, rule: Calibration | None) -> None:
    """Give the library this rule; None takes its own away. Raises LibraryBusy."""
    from imgsearch.storage import writing

    with open_store(settings) as store, writing(store, wait_s=5.0) as writer:
        writer.set_calibration(None if rule is None else rule.as_json())


def _require_model(name: str) -> None:
    if name == MODEL_FREE:
        raise ModelUnavailable(
            f"received the model {MODEL_FREE!r}, which stands for a library without vectors, expected one to load",
            "name one with --model: blip2, blip2-coco, blip2-vitl, mini, a directory",
        )


def _named(settings: Settings, library_model: ModelId | None) -> tuple[str, str, int | None]:
    """Name, dtype and image size in pixels. What the settings leave open is the library's: one that was made on a GPU
    in bfloat16 is searched in bfloat16 on a CPU too, and "int8" is the one of its many that made the library."""
    if library_model is None:
        return settings.model or DEFAULT_MODEL, settings.dtype, None
    own = library_model.dtype
    dtype = own if settings.dtype == "auto" or (settings.dtype == "int8" and own.startswith("int8")) else settings.dtype
    return settings.model or library_model.name, dtype, library_model.image_size or None
