"""With a pool that is smaller than the library: what may differ from brute force, and what may not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgsearch.index import ExactIndex, SnapshotIndex, TokenRows, construction, first_stage
from imgsearch.index.construction import build_first_stage
from imgsearch.index.first_stage import FaissFirstStage

IMAGES, COVERED, T, D = 2000, 1700, 8, 32


def unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


def clustered(rng: np.random.Generator) -> np.ndarray:
    """Images in 40 heaps, their tokens in three heaps around the image."""
    heaps = rng.standard_normal((40, 1, D))
    images = heaps[rng.integers(0, 40, IMAGES)] + 0.6 * rng.standard_normal((IMAGES, 1, D))
    sides = 0.5 * rng.standard_normal((IMAGES, 3, D))
    return unit(images + sides[:, rng.integers(0, 3, T)] + 0.05 * rng.standard_normal((IMAGES, T, D)))


def scattered(rng: np.random.Generator) -> np.ndarray:
    return unit(rng.standard_normal((IMAGES, T, D)))


class Case:
    """Vectors, their exact index, and one with a snapshot of the first slots."""

    def __init__(self, vectors: np.ndarray, path: Path) -> None:
        self.rows = TokenRows(vectors.astype(np.float16))
        self.keys = np.random.default_rng(5).permutation(IMAGES).astype(np.int64)
        self.path = path
        with path.open("wb") as file:
            self.built = build_first_stage(self.rows, np.arange(COVERED, dtype=np.int64), file.write)
        self.exact = ExactIndex(self.rows, self.keys)
        self.index = self.opened()
        rng = np.random.default_rng(6)
        near = vectors[rng.integers(0, IMAGES, 60), rng.integers(0, T, 60)]
        self.texts = unit(near + 0.12 * rng.standard_normal((60, D)))

    def opened(self, candidates: int = 150, **more) -> SnapshotIndex:
        stage = FaissFirstStage(self.path, COVERED)
        return SnapshotIndex(self.rows, stage, self.keys, candidates=candidates, exact_more=0, **more)


@pytest.fixture(scope="module", params=[clustered, scattered], ids=["clustered", "scattered"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(request.param(np.random.default_rng(7)), tmp_path_factory.mktemp("snapshot") / "body.faiss")


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    hits = [
        len(set(mine[mine >= 0]) & set(its[its >= 0])) / max(1, (its >= 0).sum())
        for mine, its in zip(found, truth, strict=True)
    ]
    return float(np.mean(hits))


def test_pool_of_a_tenth_holds_the_ten_best(case: Case) -> None:
    found, truth = case.index.search(case.texts, 10), case.exact.search(case.texts, 10)
    assert recall(found.slots, truth.slots) >= 0.97
    for slots, scores, text in zip(found.slots, found.scores, case.texts, strict=True):  # shown scores are true scores
        own = (case.rows.read(slots) @ text).max(axis=1)
        np.testing.assert_allclose(scores, own, atol=1e-6)
        assert (np.diff(np.rint(scores / 1e-5)) <= 0).all()


@pytest.mark.parametrize("share", [0.5, 0.2, 0.1])
def test_filter_keeps_recall_and_lets_no_forbidden_slot_through(case: Case, share: float) -> None:
    allowed = np.random.default_rng(8).random(IMAGES) < share
    found, truth = case.index.search(case.texts, 10, allowed), case.exact.search(case.texts, 10, allowed)
    assert allowed[found.slots].all()
    assert recall(found.slots, truth.slots) >= 0.97
    by_slots = case.index.search(case.texts, 10, np.flatnonzero(allowed)[::-1])
    assert by_slots.slots.tolist() == found.slots.tolist()


def test_filter_that_goes_against_the_text_is_followed_into_far_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left is what the text is least like, so the lists nearest to the text hold hardly any of it."""
    monkeypatch.setattr(construction, "LIST_ROWS", 40)
    monkeypatch.setattr(first_stage, "PROBES", 4)
    monkeypatch.setattr(first_stage, "DEPTH", 10)
    case = Case(clustered(np.random.default_rng(11)), tmp_path / "body.faiss")
    means = case.rows.read(np.arange(IMAGES)).mean(axis=1)
    filters = [likeness < np.quantile(likeness, 0.5) for likeness in case.texts @ means.T]

    def answers(index: ExactIndex | SnapshotIndex) -> np.ndarray:
        asked = zip(case.texts, filters, strict=True)
        return np.concatenate([index.search(text[None], 10, allowed).slots for text, allowed in asked])

    truth = answers(case.exact)
    assert recall(answers(case.index), truth) >= 0.97
    monkeypatch.setattr(FaissFirstStage, "_lists_to", lambda *_: 0)
    assert recall(answers(case.index), truth) < 0.9  # what a number of lists finds that only the share decides


def test_filter_down_to_few_answers_exactly_and_wholly(case: Case) -> None:
    best = case.exact.search(case.texts[:1], IMAGES).slots[0]
    for allowed in (best[-12:], best[700:712], best[[3]]):
        found = case.index.search(case.texts[:1], 20, allowed)
        truth = case.exact.search(case.texts[:1], 20, allowed)
        assert found.slots.tolist() == truth.slots.tolist()
        assert (found.slots >= 0).sum() == len(allowed)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_few_are_the_beginning_of_many_whatever_the_filter(case: Case, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    allowed = rng.random(IMAGES) < data.draw(st.sampled_from([0.002, 0.05, 0.12, 0.5, 1.0]))
    text = unit(rng.standard_normal((1, D)))
    everything = case.index.search(text, IMAGES, allowed)
    known = everything.slots[0][everything.slots[0] >= 0]
    assert sorted(known.tolist()) == np.flatnonzero(allowed).tolist()  # each allowed one once, none other
    assert (everything.slots[0][len(known) :] == -1).all()
    for k in (1, data.draw(st.integers(1, 600))):
        part = case.index.search(text, k, allowed)
        assert part.slots[0].tolist() == everything.slots[0][:k].tolist()
        assert part.scores.tobytes() == everything.scores[:, :k].tobytes()


def test_every_new_image_is_found_at_once(case: Case) -> None:
    for slot in range(COVERED, IMAGES, 37):
        text = case.rows.read(np.array([slot]))[0, :1]
        assert case.index.search(text, 1).slots[0, 0] == case.exact.search(text, 1).slots[0, 0]


def test_slots_that_are_not_present_never_answer(case: Case) -> None:
    truth = case.exact.search(case.texts, 5).slots
    present = np.ones(IMAGES, np.bool_)
    present[truth] = False
    index = case.opened(present=present)
    for allowed in (None, np.ones(IMAGES, np.bool_), np.arange(0, IMAGES, 2)):
        found = index.search(case.texts, 30, allowed).slots
        assert not np.isin(found, truth).any()
        assert (found >= 0).all()


def test_answers_are_the_same_after_reopening_and_after_an_equal_build(case: Case, tmp_path: Path) -> None:
    expected = case.index.search(case.texts, 40)
    again = case.opened().search(case.texts, 40)
    assert again.slots.tobytes() == expected.slots.tobytes()
    with (tmp_path / "again.faiss").open("wb") as file:
        build_first_stage(case.rows, np.arange(COVERED, dtype=np.int64), file.write)
    assert (tmp_path / "again.faiss").read_bytes() == case.path.read_bytes()


def test_snapshot_of_more_slots_than_the_view_has_is_cut_to_the_view(case: Case) -> None:
    """A run published it between the look at the library and the look at the snapshot."""
    fewer = TokenRows(case.rows._vectors[:1500])
    index = SnapshotIndex(fewer, FaissFirstStage(case.path, COVERED), candidates=150, exact_more=0)
    truth = ExactIndex(fewer).search(case.texts, 10)
    found = index.search(case.texts, 10)
    assert found.slots.max() < 1500
    assert recall(found.slots, truth.slots) >= 0.96


@pytest.mark.filterwarnings("ignore:invalid value")
def test_image_with_damaged_numbers_is_no_answer_and_stops_no_build(tmp_path: Path) -> None:
    vectors = clustered(np.random.default_rng(9))
    vectors[3] = np.nan
    vectors[5, 2] = np.inf
    case = Case(vectors, tmp_path / "body.faiss")
    texts = unit(np.random.default_rng(10).standard_normal((5, D)))
    found = case.index.search(texts, IMAGES)
    assert not np.isin(found.slots, [3, 5]).any()


def test_guarded_bytes_end_where_codes_begin(case: Case) -> None:
    size = case.path.stat().st_size
    assert size == case.built.guarded_bytes + case.built.rows * (D // 4 + 8)


def test_importing_the_room_loads_no_faiss() -> None:
    import subprocess
    import sys

    code = "import sys, imgsearch.index; sys.exit('faiss' in sys.modules or 'sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
