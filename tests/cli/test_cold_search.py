"""A search in a fresh process: what it imports, and that it answers as the model with torch does."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imgsearch.model import export_directory, load_model, open_numpy
from imgsearch.search.engine import Searcher
from imgsearch.search.query.description import Query
from imgsearch.storage import create_store

TEXT = "a blue house to the left of a white boat"
HEAVY = ("torch", "transformers", "sqlalchemy", "alembic", "safetensors", "huggingface_hub", "faiss", "flask", "tqdm")
DECODING = ("PIL", "imgsearch.media.decode")
"""What only pictures without kept features need."""

PROGRAM = f"""
import os, sys
from imgsearch.cli import main
code = main(sys.argv[1:])
loaded = [name for name in {HEAVY + DECODING} if name in sys.modules]
print(*loaded, os.environ["OPENBLAS_NUM_THREADS"], file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture
def numpy_library(tiny: Any, library: Any, tmp_path: Path) -> Any:
    """The library of LAVIS's pictures, by the same weights as an ordinary model directory."""
    export_directory(tiny, tmp_path / "model")
    light = open_numpy(tmp_path / "model", "cpu")
    assert light is not None
    folder = tmp_path / "light"
    with create_store(folder / "library", light.model_id) as store:
        (folder / "photos").symlink_to(library.photos)
        made = replace(library, folder=folder, model=light, store=store)
        made.add(made.names(6))
        yield made


def fresh(library: Any, *arguments: str, text: str = TEXT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, "search", text, "--library", str(library.folder / "library"), "--json"]
    return subprocess.run([*command, "--device", "cpu", *arguments], capture_output=True, text=True, check=True)


def test_fresh_search_with_filters_and_re_rank_imports_nothing_heavy_and_answers_as_torch_does(
    numpy_library: Any,
) -> None:
    plain = fresh(numpy_library, "--rerank", "4")
    filtered = fresh(numpy_library, "--rerank", "2", text=f"{TEXT} type:png -dog")  # of pictures that were read by now
    told = [done.stderr.splitlines()[-1].strip() for done in (plain, filtered)]  # notes of words stand before it
    assert told == [f"{' '.join(DECODING)} 1", "1"]  # no other module, one thread
    hits = json.loads(plain.stdout)["hits"]
    heavy = load_model(numpy_library.model.model_id.name, device="cpu")
    searcher = Searcher(numpy_library.store, heavy)
    wanted = searcher.search(Query(TEXT, rerank=4)).hits
    assert [hit["image_id"] for hit in hits] == [hit.image_id for hit in wanted]
    for hit, right in zip(hits, wanted, strict=True):
        assert hit["itc"] == pytest.approx(right.itc, abs=1e-4)
        # Features go through int8: a value that rounds the other way moves a logit by more than the model does.
        assert (hit["itm_logit"] is None) == (right.itm_logit is None)
        if right.itm_logit is not None:
            assert hit["itm_logit"] == pytest.approx(right.itm_logit, abs=1e-3)


@pytest.mark.slow
def test_search_of_a_library_of_a_lavis_file_goes_through_torch(library: Any) -> None:
    library.add(library.names(2))
    done = fresh(library, "--rerank", "0")
    assert "torch" in done.stderr and "sqlalchemy" not in done.stderr
    assert len(json.loads(done.stdout)["hits"]) == 2
