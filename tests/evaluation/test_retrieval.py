"""Against LAVIS's own answers, and against the definitions written out with loops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgsearch.errors import UsageError
from imgsearch.evaluation import retrieval as evaluation
from imgsearch.evaluation.pairs import load_pairs
from imgsearch.evaluation.retrieval import (
    evaluate,
    image_to_text_ranks,
    score_matrices,
    similarities,
    text_to_image_ranks,
)
from imgsearch.model import load_model
from imgsearch.search.features.rows import FeatureRows

LAVIS = Path(__file__).parents[1] / "golden" / "lavis"


@pytest.fixture(scope="module")
def model() -> Any:
    return load_model(LAVIS / "blip2_tiny.pth", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def about() -> dict[str, Any]:
    return json.loads((LAVIS / "about.json").read_text())


@pytest.fixture(scope="module")
def features(model: Any, about: dict[str, Any]) -> Any:
    return model.encode_images(model.preprocess([Image.open(LAVIS / "images" / name) for name in about["images"]]))


@pytest.mark.parametrize("batch_size", [0, 5])
def test_score_matrices_equal_lavis_at_k_test_4(
    model: Any, features: Any, about: dict[str, Any], batch_size: int
) -> None:
    found = score_matrices(model, features, about["captions"], k_test=4, max_tokens=35, batch_size=batch_size)
    lavis = np.load(LAVIS / "lavis_retrieval_k4.npz")
    for name in ("score_i2t", "score_t2i"):
        scores = getattr(found, name)
        assert ((scores == -100) == (lavis[name] == -100)).all()
        np.testing.assert_allclose(scores, lavis[name], atol=1e-4)


def test_score_matrices_take_k_test_beyond_the_set(model: Any, features: Any, about: dict[str, Any]) -> None:
    found = score_matrices(model, features, about["captions"][:5], k_test=128)
    assert found.score_t2i.shape == (5, 12)
    assert (found.score_i2t > -100).all()
    np.testing.assert_allclose(found.score_i2t, found.score_t2i.T, atol=1e-6)


def test_feature_rows_on_disk_give_the_same_scores(
    model: Any, features: Any, about: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = FeatureRows(12, memory_bytes=1000)
    for first in range(0, 12, 5):
        rows.append(np.asarray(features)[first : first + 5])
    assert rows.gather(np.array([3, 3, 11])).dtype == np.float16
    in_memory = score_matrices(model, features, about["captions"], k_test=12)
    monkeypatch.setattr(FeatureRows, "of", classmethod(lambda cls, given: rows))
    on_disk = score_matrices(model, features, about["captions"], k_test=12)
    np.testing.assert_allclose(on_disk.score_t2i, in_memory.score_t2i, atol=5e-3)


def test_similarities_are_the_maximum_over_tokens_whatever_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    tokens = rng.standard_normal((7, 3, 5)).astype(np.float32)
    texts = rng.standard_normal((4, 5)).astype(np.float32)
    expected = [[max(float(token @ text) for token in image) for text in texts] for image in tokens]
    for values in (1, 30, 1 << 20):
        monkeypatch.setattr(evaluation, "PRODUCT_VALUES", values)
        np.testing.assert_allclose(similarities(tokens, texts), expected, atol=1e-5)


def test_ranks_follow_the_definition_with_several_captions_a_picture() -> None:
    rng = np.random.default_rng(1)
    owners = np.array([0, 0, 1, 2, 2, 2, 3], np.int64)
    scores = np.round(rng.standard_normal((4, 7)).astype(np.float32), 1)  # rounded: with ties
    to_image = [sum(scores[i, q] >= scores[owners[q], q] for i in range(4) if i != owners[q]) for q in range(7)]
    assert text_to_image_ranks(scores, owners).tolist() == to_image
    to_text = []
    for i in range(4):
        best = max(scores[i, q] for q in range(7) if owners[q] == i)
        to_text.append(sum(scores[i, q] >= best for q in range(7) if owners[q] != i))
    assert image_to_text_ranks(scores, owners).tolist() == to_text


def write_pairs(folder: Path, about: dict[str, Any], twins: dict[int, tuple[int, str]]) -> Path:
    (folder / "images").symlink_to(LAVIS / "images")
    with (folder / "pairs.jsonl").open("w") as file:
        for index, name in enumerate(about["images"]):
            row = {"image": f"images/{name}", "captions": [about["captions"][index], f"picture {index}"]}
            if index in twins:
                base, kind = twins[index]
                row |= {"twin_of": f"images/{about['images'][base]}", "twin_kind": kind}
            file.write(json.dumps(row) + "\n")
    return folder / "pairs.jsonl"


def test_evaluate_counts_recall_and_twins_as_defined(
    model: Any, features: Any, about: dict[str, Any], tmp_path: Path
) -> None:
    twins = {1: (0, "colour"), 0: (1, "colour"), 3: (2, "count"), 5: (4, "count"), 7: (6, "relation")}
    pairs = load_pairs(write_pairs(tmp_path, about, twins))
    figures = evaluate(model, pairs, k_test=6)
    assert (figures["images"], figures["captions"], figures["k_test"]) == (12, 24, 6)
    assert json.loads(json.dumps(figures)) == figures

    texts = [text for pair in pairs for text in pair.captions]
    matrices = score_matrices(model, features, texts, k_test=6)
    for kind, scores in (("itc", matrices.itc.T), ("itm", matrices.score_t2i)):
        for k in (1, 5, 10):
            hits = [q // 2 in np.argsort(-row, kind="stable")[:k].tolist() and row[q // 2] > -100
                    for q, row in enumerate(scores)]  # fmt: skip
            assert figures["text_to_image"][kind][f"r{k}"] == round(100 * sum(hits) / 24, 2)
    for kind, scores in (("itc", matrices.itc), ("itm", matrices.score_i2t)):
        for k in (1, 5, 10):
            hits = [any(q // 2 == i and row[q] > -100 for q in np.argsort(-row, kind="stable")[:k].tolist())
                    for i, row in enumerate(scores)]  # fmt: skip
            assert figures["image_to_text"][kind][f"r{k}"] == round(100 * sum(hits) / 12, 2)

    for kind, couples in (("colour", [(0, 1)]), ("count", [(2, 3), (4, 5)]), ("relation", [(6, 7)])):
        for_itc, for_itm = [], []
        for one, other in couples:
            for right, wrong in ((one, other), (other, one)):
                for q in (2 * right, 2 * right + 1):
                    for_itc.append(matrices.itc[right, q] > matrices.itc[wrong, q])
                    both = model.match_logits([texts[q]] * 2, features[[right, wrong]], max_tokens=35)
                    for_itm.append(float(both[0]) > float(both[1]))
        assert figures["twins"][kind]["itc"] == round(100 * sum(for_itc) / len(for_itc), 2)
        assert figures["twins"][kind]["itm"] == round(100 * sum(for_itm) / len(for_itm), 2)


def test_evaluate_reads_rows_without_twins(model: Any, about: dict[str, Any], tmp_path: Path) -> None:
    figures = evaluate(model, load_pairs(write_pairs(tmp_path, about, {}))[:3], k_test=2, batch_size=2)
    assert figures["twins"] == {}
    assert figures["text_to_image"]["itc"]["r10"] == 100.0


def test_evaluate_names_a_picture_that_cannot_be_decoded(model: Any, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    (tmp_path / "pairs.jsonl").write_text('{"image": "broken.png", "captions": ["a"]}\n')
    with pytest.raises(UsageError, match=r"broken\.png cannot be decoded"):
        evaluate(model, load_pairs(tmp_path / "pairs.jsonl"))


def test_evaluate_refuses_a_k_test_of_zero(model: Any) -> None:
    with pytest.raises(UsageError, match="k_test is 0"):
        evaluate(model, [], k_test=0)
