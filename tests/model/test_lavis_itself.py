"""salesforce-lavis 1.0.2 opens what is exported for it and gives the same answers (`make test-lavis`)."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgsearch.model import export_directory, load_model

PYTHON = os.environ.get("IMGSEARCH_LAVIS_PYTHON")
GOLDEN = Path(__file__).parents[1] / "golden"
CAPTIONS = json.loads((GOLDEN / "lavis" / "about.json").read_text())["captions"]
pytestmark = pytest.mark.skipif(not PYTHON, reason="LAVIS needs an environment of its own: make test-lavis")


@pytest.fixture(scope="module", params=["lavis", "lavis-vitl"])
def both(request, tmp_path_factory):
    """Ours, and LAVIS's model with the file that was exported from ours."""
    sys.path.insert(0, str(Path(__file__).parent / "lavis_env"))
    from adapter import LavisRuntime

    folder = tmp_path_factory.mktemp("exported")
    ours = load_model(GOLDEN / request.param / "blip2_tiny.pth", device="cpu", dtype="float32")
    export_directory(ours, folder / "directory")
    lavis = LavisRuntime(Path(PYTHON), folder / "directory", folder)
    assert lavis.missing == []
    return ours, lavis


def far(first, second) -> float:
    assert np.shape(first) == np.shape(second)
    return float(np.abs(np.asarray(first) - np.asarray(second)).max())


def test_lavis_answers_an_exported_file_as_we_do(both):
    ours, lavis = both
    paths = sorted((GOLDEN / "lavis" / "images").iterdir())
    pictures = [Image.open(path).convert("RGB") for path in paths]
    pixels = lavis.preprocess(pictures)
    assert far(ours.preprocess(pictures), pixels) < 1e-6
    features = lavis.encode_images(pixels)
    tokens, texts = lavis.embed_features(features), lavis.embed_texts(CAPTIONS)
    mine = np.asarray(ours.embed_images(pixels)), np.asarray(ours.embed_texts(CAPTIONS))
    itc = [np.einsum("itd,qd->iqt", images, words).max(-1) for images, words in ((tokens, texts), mine)]
    assert far(*itc) < 1e-5
    matches = lavis.match_both(CAPTIONS, features)
    assert far(matches, ours.match_both(CAPTIONS, ours.encode_images(pixels))) < 1e-4
