"""The composition root: what the settings leave open is the library's own."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from imgsearch.app import calibration_of, open_searcher, save_calibration
from imgsearch.errors import ModelMismatch
from imgsearch.media.decode import decode_file
from imgsearch.model import load_model, model_id_of
from imgsearch.model.checkpoints.resolve import shipped_folder
from imgsearch.search.calibration import Calibration
from imgsearch.search.query.description import Query
from imgsearch.settings import load_settings
from imgsearch.storage import EmbeddedBatch, FilePlace, create_store, writing


@pytest.fixture
def bfloat16_library(library, tmp_path):
    """A library as a GPU makes one: embedded in bfloat16."""
    model = load_model(library.model.model_id.name, device="cpu", dtype="bfloat16")
    one = decode_file(library.photos / "scene00.png", model.image_size)
    vectors = np.asarray(model.embed_images(model.preprocess_arrays(one.pixels[None])))
    with create_store(tmp_path / "other", model.model_id) as store, writing(store) as writer:
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


def test_rule_of_a_model_counts_until_the_library_has_its_own(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(shipped_folder(), folder, ignore=shutil.ignore_patterns("calibration.json"))
    known = model_id_of(folder, device="cpu")
    shipped, own = (Calibration(weight, 0.0, 0.0, 0.0, 1.0) for weight in (1.0, 2.0))
    settings = load_settings({"library": tmp_path / "library", "device": "cpu"}, {})
    with create_store(tmp_path / "library", known) as store:
        assert calibration_of(store) is None
        kept = {"fingerprint": known.fingerprint, "recipe": known.recipe, "rule": json.loads(shipped.as_json())}
        (folder / "calibration.json").write_text(json.dumps(kept))
        assert model_id_of(folder, device="cpu") == known  # the rule is no part of the model
        assert calibration_of(store) == shipped
        save_calibration(settings, own)
        assert calibration_of(store) == own
        save_calibration(settings, None)
        (folder / "calibration.json").write_text(json.dumps(kept | {"fingerprint": "of other weights"}))
        assert calibration_of(store) is None
        (folder / "calibration.json").write_text("{")
        assert calibration_of(store) is None
