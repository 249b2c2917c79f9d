"""Libraries without a model: what they hold, what they load, what they refuse. The oracle is the disk, and a library
with a model beside it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgsearch.app import model_id, open_model, open_searcher
from imgsearch.errors import ImgsearchError, ModelMismatch, ModelUnavailable
from imgsearch.media.decode import DecodedImage, decode_file
from imgsearch.records import is_model_free
from imgsearch.settings import Settings
from imgsearch.storage import open_store, verify

HEAVY = ("torch", "transformers", "tokenizers", "faiss", "safetensors", "huggingface_hub")


def scene(desk: Any, number: int) -> Path:
    path: Path = desk.photos / f"scene{number:02d}.png"
    return path


def test_facts_and_signatures_are_those_of_the_small_model(desk: Any) -> None:
    shutil.copyfile(scene(desk, 3), desk.photos / "copy.png")
    (desk.photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    summary = desk.index(model="none")
    assert (summary.seen, summary.embedded, summary.copied, summary.failed, summary.images) == (14, 12, 1, 1, 12)
    assert desk.embedded == [] and desk.rows() == desk.files()
    small = model_id(Settings(desk.library, model="mini", device="cpu"))
    with open_store(desk.library) as store:
        assert is_model_free(store.model) and store.model.recipe == small.recipe
        for image in store.iter_images():
            with_pixels = decode_file(store.paths([image.image_id])[image.image_id], 128)
            assert isinstance(with_pixels, DecodedImage)
            assert image.facts == with_pixels.facts
            assert store.signatures(np.array([image.image_id]))[1].tobytes() == with_pixels.signature
        assert verify(store) == []
        assert sum(path.stat().st_size for path in store.layout.segments.iterdir()) == 4096 + 2 * 12


def test_moved_changed_and_deleted_files_are_followed(desk: Any) -> None:
    desk.index(model="none")
    scene(desk, 0).rename(desk.photos / "moved.png")
    shutil.copyfile(scene(desk, 2), scene(desk, 1))
    scene(desk, 4).unlink()
    summary = desk.index()
    assert (summary.moved, summary.changed, summary.removed, summary.embedded) == (1, 1, 1, 0)
    assert desk.rows() == desk.files()
    assert desk.index().unchanged == 11


def test_stopped_run_keeps_its_batches_and_goes_on(desk: Any) -> None:
    asked: list[int] = []
    summary = desk.index(model="none", batch_size=2, stop=lambda: asked.append(1) or len(asked) > 12)
    assert summary.interrupted and 0 < summary.images < 12
    rest = desk.index(batch_size=2)
    assert rest.embedded == 12 - summary.images
    assert desk.rows() == desk.files()


def test_index_and_find_load_no_model_and_no_search_index(desk: Any) -> None:
    code = (
        "import json, sys\nfrom imgsearch.cli.main import main\n"
        "codes = [main(each) for each in json.loads(sys.argv[1])]\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\nassert not loaded, loaded\nsys.exit(max(codes))"
    )
    library = str(desk.library)
    lines = [
        ["index", str(desk.photos), "--library", library, "--model", "none", "--quiet"],
        ["index", "--library", library, "--json", "--quiet"],
        ["dedup", "find", "--library", library, "--tiers", "bytes,pixels,perceptual", "--quiet"],
        ["dedup", "here", str(scene(desk, 0)), "--library", library],
        ["stats", "--library", library],
    ]
    done = subprocess.run([sys.executable, "-c", code, json.dumps(lines)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '"unchanged": 12' in done.stdout


def test_searching_is_refused_with_the_command_that_mends_it(desk: Any) -> None:
    from imgsearch.cli.verbs.build import BUILD

    desk.index(model="none")
    build = Settings(desk.library, device="cpu")

    def run_build() -> None:
        import argparse

        known = {"quiet": True, "json": False, "force": True, "qdrant": None, "fresh": False}
        BUILD.run(argparse.Namespace(library=str(desk.library), **known))

    refused: list[Callable[[], object]] = [lambda: open_searcher(build), run_build]
    for call in refused:
        with pytest.raises(ModelMismatch, match="without a model") as caught:
            call()
        assert f"imgsearch index {desk.photos} --library" in caught.value.hint


def test_library_stays_with_or_without_its_model(desk: Any) -> None:
    desk.index(model="none")
    with pytest.raises(ModelMismatch, match="without a model"):
        desk.index(model="mini")
    shutil.rmtree(desk.library)
    desk.index()
    with pytest.raises(ModelMismatch, match="got 'none'"):
        desk.index(model="none")


def test_no_model_is_nothing_that_can_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="none") as caught:
        open_model(Settings(tmp_path, model="none"))
    assert "--model" in caught.value.hint and isinstance(caught.value, ImgsearchError)
