"""Gives a library without images another model."""

from __future__ import annotations

from sqlalchemy import delete, func, select, update

from imgsearch.errors import ModelMismatch
from imgsearch.records import ModelId
from imgsearch.storage.catalog import schema
from imgsearch.storage.opening import open_store
from imgsearch.storage.store import Store
from imgsearch.storage.writer import writing

_WAIT_S = 5.0


def rebind_store(store: Store, model: ModelId) -> Store:
    """Give an empty library to ``model``. Returns the store opened again and closes the given one. Folders and failures
    stay; the library's own calibration is removed. Raises ModelMismatch if it holds an image or vectors, LibraryBusy.
    """
    folder = store.path
    with writing(store, wait_s=_WAIT_S), store.catalog.write() as connection:
        for table in (schema.images, schema.segments):
            if connection.execute(select(func.count()).select_from(table)).scalar_one():
                raise ModelMismatch(
                    f"the library {folder} holds pictures of the model {store.model.name!r}; got {model.name!r}",
                    "index again beside it: imgsearch index --model MODEL --library OTHER FOLDER",
                )
        connection.execute(delete(schema.calibration))
        connection.execute(
            update(schema.library).values(
                model_name=model.name,
                model_fingerprint=model.fingerprint,
                model_recipe=model.recipe,
                model_dtype=model.dtype,
                query_tokens=model.query_tokens,
                dims=model.dims,
            )
        )
    store.close()
    return open_store(folder, catalog_url=store.catalog.url)


def is_unbound(store: Store) -> bool:
    """Whether the library holds neither images nor vectors, so that it may get another model."""
    with store.catalog.look() as connection:
        return not any(
            connection.execute(f"SELECT EXISTS (SELECT 1 FROM {table})").fetchone()[0]
            for table in ("images", "segments")
        )
