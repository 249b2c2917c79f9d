"""The composition root: what the settings leave open is the library's own."""

from __future__ import annotations

import numpy as np
import pytest

from imgsearch.errors import ModelMismatch
from imgsearch.library import open_searcher
from imgsearch.media.decode import decode_file
from imgsearch.model import load_model
from imgsearch.search.query import Query
from imgsearch.settings import load_settings
from imgsearch.storage import EmbeddedBatch, FilePlace, create_store


@pytest.fixture
def bfloat16_library(library, tmp_path):
    """A library as a GPU makes one: embedded in bfloat16."""
    model = load_model(library.model.model_id.name, device="cpu", dtype="bfloat16")
    one = decode_file(library.photos / "scene00.png", model.image_size)
    vectors = np.asarray(model.embed_images(model.preprocess_arrays(one.pixels[None])))
    with create_store(tmp_path / "other", model.model_id) as store, store.writing() as writer:
        root = writer.add_root(library.photos)
        with writer.transaction() as transaction:
            place = FilePlace(root.root_id, "scene00.png", one.facts.size_bytes, one.mtime_ns)
            transaction.add(EmbeddedBatch([one.facts], vectors, [[place]]))
            transaction.commit()
    return tmp_path / "other"


def test_library_made_in_bfloat16_is_searched_in_bfloat16_where_float32_is_the_default(bfloat16_library):
    settings = load_settings({"library": bfloat16_library, "device": "cpu"}, {})
    with open_searcher(settings) as searcher:
        assert searcher.model.dtype == "bfloat16"
        assert len(searcher.search(Query("a cat", k=3, rerank=0)).hits) == 1


def test_another_dtype_by_name_is_refused(bfloat16_library):
    settings = load_settings({"library": bfloat16_library, "device": "cpu", "dtype": "float32"}, {})
    with pytest.raises(ModelMismatch, match="dtype"):
        open_searcher(settings)
