"""Qdrant's own engine, inside this process: what its data types lose, and what a kill leaves."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_shelf import D, Shelf, texts

from imgsearch.cli import main
from imgsearch.errors import IndexServerError, LibraryUnsupported
from imgsearch.index import ExactIndex, SnapshotIndex, TokenRows
from imgsearch.index.qdrant import QdrantAddress, connect, first_stage, push_library
from imgsearch.index.qdrant.first_stage import QdrantFirstStage
from imgsearch.index.qdrant.push import send_images

pytest.importorskip("qdrant_edge", reason="the engine is not installed: pip install qdrant-edge-py")

SCENES, TEXTS = 150, 40


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """(tokens float16 [SCENES, T, D] of drawn scenes, vectors [TEXTS, D] of what others show), by the small model."""
    from imgsearch.model import load_model
    from imgsearch.scenes.captions import any_statement, say
    from imgsearch.scenes.draw import draw_scene
    from imgsearch.scenes.graph import Domain, sample_scene

    model = load_model("mini", device="cpu")
    scenes = [sample_scene(random.Random(f"qdrant:{seed}"), Domain()) for seed in range(SCENES + TEXTS)]
    pixels = [np.asarray(draw_scene(scene, model.image_size)[0].convert("RGB")) for scene in scenes[:SCENES]]
    tokens = np.asarray(model.embed_images(model.preprocess_arrays(np.stack(pixels))), np.float16)
    rng = random.Random(1)
    said = [say(any_statement(scene, rng), rng) for scene in scenes[SCENES:]]
    return tokens, np.asarray(model.embed_texts(said))


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    pairs = zip(found.tolist(), truth.tolist(), strict=True)
    return float(np.mean([len(set(mine) & set(its) - {-1}) / max(1, len(set(its) - {-1})) for mine, its in pairs]))


@pytest.mark.parametrize("vectors", ["float16", "turbo8"])
def test_ten_best_of_drawn_scenes_are_found_with_and_without_filters(
    drawn: tuple[np.ndarray, np.ndarray], vectors: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imgsearch.index.qdrant import edge

    monkeypatch.setattr(edge, "BLOCK_BITS", 3)
    tokens, asked = drawn
    rows, points = TokenRows(tokens), connect(QdrantAddress(f"edge:{tmp_path}"), "scenes")
    points.create(rows.dims, vectors)
    assert send_images(rows, np.arange(SCENES), points).vectors < 8 * SCENES  # few of 32 stand for an image
    rng = np.random.default_rng(3)
    for allowed in (None, rng.random(SCENES) < 0.8, rng.random(SCENES) < 0.4, np.arange(SCENES) > 100):
        if allowed is not None and allowed[-40:].all():  # a filter that is told by blocks
            monkeypatch.setattr(first_stage, "MOST_IDS", 10)
        stage = QdrantFirstStage(points, SCENES, 3)
        index = SnapshotIndex(rows, stage, candidates=40, exact_more=0)
        truth = ExactIndex(rows).search(asked, 10, allowed)
        found = index.search(asked, 10, allowed)
        assert recall(found.slots, truth.slots) >= 0.99
        assert allowed is None or allowed[found.slots].all()
        assert stage.asked == len(asked)
    points.close()


def test_whole_numbers_lose_the_answers_and_are_refused(tmp_path: Path) -> None:
    shelf, points = Shelf(tmp_path), connect(QdrantAddress(f"edge:{tmp_path / 'edge'}"), "c")
    shelf.add(300)
    points.create(D, "uint8")
    view = shelf.store.view()
    send_images(view, view.live_slots, points)
    truth = ExactIndex(view).search(texts(), 10).slots
    lost = [QdrantFirstStage(points, 300).candidates(text, 10, None) for text in texts()]
    assert recall(np.stack(lost), truth) < 0.5  # without an error
    with pytest.raises(LibraryUnsupported, match="uint8"):
        push_library(shelf.store, points, "uint8")
    points.close()
    shelf.store.close()


_PUSH = """
import os, signal, sys, threading
from imgsearch.index.qdrant import QdrantAddress, connect, push, push_library
from imgsearch.storage import open_store
push.CHUNK = 32
library, folder, kills_after, inside = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "inside"
points = connect(QdrantAddress("edge:" + folder), "c")
real, sent = points.upsert, 0
def upsert(ids, vectors, payload=None):
    global sent
    if inside and sent == kills_after:
        threading.Timer(0.001, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
        while True:
            real(ids, vectors, payload)
    real(ids, vectors, payload)
    sent += 1
    print(*ids, flush=True)
    if sent == kills_after and not inside:
        os.kill(os.getpid(), signal.SIGKILL)
points.upsert = upsert
push_library(open_store(__import__("pathlib").Path(library)), points, "turbo8")
"""


@pytest.mark.parametrize(("kills_after", "where"), [(1, "after"), (5, "inside")])
def test_acknowledged_points_outlive_a_kill_and_the_push_goes_on(
    shelf: Shelf, tmp_path: Path, kills_after: int, where: str
) -> None:
    command = [sys.executable, "-c", _PUSH, str(shelf.folder), str(tmp_path / "edge"), str(kills_after), where]
    killed = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    acknowledged = {int(number) for number in killed.stdout.split()}
    points = connect(QdrantAddress(f"edge:{tmp_path / 'edge'}"), "c")
    there = set(np.concatenate([np.empty(0, np.int64), *points.pages()]).tolist())
    assert {number for number in acknowledged if number < 300} <= there
    done = push_library(shelf.store, points, "turbo8")
    assert done.points == 300 and done.sent == 300 - len(there)
    view = shelf.store.view()
    index = SnapshotIndex(view, QdrantFirstStage(points, 300), view.tie_keys(), candidates=60, exact_more=0)
    assert recall(index.search(texts(), 10).slots, ExactIndex(view, view.tie_keys()).search(texts(), 10).slots) >= 0.99
    points.close()


def test_second_process_is_told_that_the_folder_is_in_use(shelf: Shelf, tmp_path: Path) -> None:
    first, second = (connect(QdrantAddress(f"edge:{tmp_path / 'edge'}"), "c") for _ in range(2))
    push_library(shelf.store, first, "float16")
    with pytest.raises(IndexServerError) as refused:
        second.count()
    assert "one at a time" in refused.value.hint
    first.close()
    assert second.count() == 301
    second.close()


def test_command_sends_what_is_missing(shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build = ["build", "--library", str(shelf.folder), "--qdrant", f"edge:{tmp_path / 'edge'}", "--quiet"]
    assert main(build) == 0
    assert "300 sent now, 0 deleted there" in capsys.readouterr().out
    shelf.add(2)
    assert main([*build, "--json"]) == 0
    said: Any = capsys.readouterr().out
    assert '"sent": 2' in said and '"points": 302' in said
    assert main([*build, "--fresh"]) == 0
    assert "302 sent now" in capsys.readouterr().out
    assert main(["build", "--library", str(shelf.folder), "--fresh"]) == 2
    assert main(["build", "--library", str(shelf.folder), "--qdrant"]) == 2
    assert "qdrant_url" in capsys.readouterr().err
