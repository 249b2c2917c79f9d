"""Against the definitions written out with loops, and against indexes that lose what they should find."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from imgsearch.errors import MediaError, UsageError
from imgsearch.evaluation import self_check as self_evaluation
from imgsearch.evaluation.self_check import EXACT, evaluate_self, recalls, retrieve_altered
from imgsearch.index import ExactIndex, SnapshotIndex, TokenRows
from imgsearch.media.decode import decode_bytes, decode_file
from imgsearch.records import Candidates
from imgsearch.storage import EmbeddedBatch, FilePlace, writing

T, D = 3, 8


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    values = rng.standard_normal(shape).astype(np.float32)
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


class Forgetful:
    """An exact index that never names some slots: the next best move up."""

    def __init__(self, vectors: np.ndarray, lost: set[int]) -> None:
        self.exact, self.total = ExactIndex(TokenRows(vectors)), len(vectors)
        self.kept = np.array([slot not in lost for slot in range(len(vectors))])

    def search(self, texts: np.ndarray, k: int, allowed: Any = None) -> Candidates:
        mask = np.ones(self.total, np.bool_) if allowed is None else allowed
        return self.exact.search(texts, k, mask & self.kept)


def ranking(vectors: np.ndarray, query: np.ndarray, allowed: np.ndarray) -> list[int]:
    """Slots by the definition, best first; plain Python."""
    scores = {slot: max(float(token @ query) for token in vectors[slot]) for slot in np.flatnonzero(allowed).tolist()}
    return sorted(scores, key=lambda slot: (-scores[slot], slot))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_recalls_equal_the_definition_when_an_index_loses_candidates(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    images = data.draw(st.integers(1, 40))
    vectors, queries = unit(rng, images, T, D), unit(rng, data.draw(st.integers(1, 70)), D)
    allowed = rng.random(images) < 0.8
    allowed[0] = True
    lost = set(data.draw(st.lists(st.integers(0, images - 1), max_size=images)))
    depths = data.draw(st.lists(st.integers(1, 50), min_size=1, max_size=3))
    found = recalls(Forgetful(vectors, lost), ExactIndex(TokenRows(vectors)), queries, allowed, depths)
    for k, recall in zip(depths, found, strict=True):
        best = [slot for query in queries for slot in ranking(vectors, query, allowed)[:k]]
        assert recall == pytest.approx(sum(slot not in lost for slot in best) / len(best))


def test_recalls_are_1_for_an_index_that_finds_all_and_0_for_one_that_answers_nothing() -> None:
    rng = np.random.default_rng(0)
    vectors, queries = unit(rng, 30, T, D), unit(rng, 9, D)
    exact = ExactIndex(TokenRows(vectors))
    assert recalls(exact, exact, queries, None, (1, 10, 100)) == [1.0, 1.0, 1.0]
    nothing = Forgetful(vectors, set(range(30)))
    assert recalls(nothing, exact, queries, None, (1, 10, 100)) == [0.0, 0.0, 0.0]


def altered_tokens(library: Any, name: str) -> np.ndarray:
    """Tokens of a copy made by other means: Pillow straight from the file, cut as an array."""
    pixels = np.array(Image.open(library.photos / name).convert("RGB"))
    height, width = (round(0.9 * side) for side in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    stream = io.BytesIO()
    Image.fromarray(pixels[top : top + height, left : left + width]).save(stream, "JPEG", quality=70)
    decoded = decode_bytes(stream.getvalue(), library.model.image_size)
    return embedded(library, decoded.pixels)


def embedded(library: Any, pixels: np.ndarray) -> np.ndarray:
    return np.asarray(library.model.embed_images(library.model.preprocess_arrays(pixels[None])))[0]


def test_retrieval_equals_the_definition(library: Any) -> None:
    library.add(library.names())
    view = library.store.view()
    stored = {
        name: embedded(library, decode_file(library.photos / name, library.model.image_size).pixels)
        for name in library.names()
    }
    places = {}
    for name in library.names():
        copy = altered_tokens(library, name)
        scores = {
            other: np.mean([float(a @ b) for a, b in zip(copy, tokens, strict=True)])
            for other, tokens in stored.items()
        }
        places[name] = 1 + sum(score > scores[name] for score in scores.values())
    found = retrieve_altered(library.store, library.model, view, view.image_ids, batch_size=5)
    assert (found.images, found.left_out, found.reasons) == (12, 0, ())
    assert found.r1 == pytest.approx(sum(place == 1 for place in places.values()) / 12)
    assert found.r5 == pytest.approx(sum(place <= 5 for place in places.values()) / 12)
    missed = {miss.path.name: miss.place for miss in found.missed}
    assert missed == {name: place if place <= 5 else None for name, place in places.items() if place > 1}
    assert all(miss.first is not None and miss.first != miss.path for miss in found.missed)


def test_retrieval_names_what_came_first_when_the_model_takes_a_picture_for_another(library: Any) -> None:
    """Every copy is given the tokens of the same picture."""
    library.add(library.names())
    view = library.store.view()
    (target,) = library.store.paths(view.image_ids[4:5].tolist()).values()

    class Confused:
        def __getattr__(self, name: str) -> Any:
            return getattr(library.model, name)

        def embed_images(self, pixels: Any) -> np.ndarray:
            return np.repeat(view.read(view.live_slots[4:5]), len(pixels), axis=0)

    found = retrieve_altered(library.store, Confused(), view, view.image_ids)
    assert found.r1 == pytest.approx(1 / 12)
    assert found.r5 == pytest.approx(5 / 12)
    assert len(found.missed) == 11
    assert {miss.first.name for miss in found.missed if miss.first} == {target.name}
    assert sorted(miss.place for miss in found.missed if miss.place) == [2, 3, 4, 5]


def test_retrieval_leaves_out_and_counts_pictures_that_are_gone_changed_or_damaged(library: Any) -> None:
    library.add(library.names())
    (library.photos / "scene01.png").unlink()
    (library.photos / "scene02.png").write_bytes((library.photos / "scene03.png").read_bytes())
    (library.photos / "scene04.png").write_bytes(b"\x89PNG\r\n\x1a\n cut off")
    view = library.store.view()
    found = retrieve_altered(library.store, library.model, view, view.image_ids)
    assert (found.images, found.left_out) == (9, 3)
    assert sorted(found.reasons)[:2] == ["the file has changed since it was indexed"] * 2
    assert found.reasons[0] == "the file is gone"


def test_retrieval_reads_another_place_of_a_picture_when_the_first_is_gone(library: Any) -> None:
    decoded = decode_file(library.photos / "scene00.png", library.model.image_size)
    for folder in ("a", "b"):
        (library.photos / folder).mkdir()
        (library.photos / folder / "copy.png").write_bytes((library.photos / "scene00.png").read_bytes())
    with writing(library.store, wait_s=5.0) as writer:
        root = writer.add_root(library.photos)
        places = [
            FilePlace(root.root_id, f"{folder}/copy.png", decoded.facts.size_bytes, decoded.mtime_ns) for folder in "ab"
        ]
        with writer.transaction() as transaction:
            transaction.add(EmbeddedBatch([decoded.facts], embedded(library, decoded.pixels)[None], [places]))
            transaction.commit()
    (library.photos / "a" / "copy.png").unlink()
    view = library.store.view()
    found = retrieve_altered(library.store, library.model, view, view.image_ids)
    assert (found.images, found.left_out, found.r1) == (1, 0, 1.0)


def test_retrieval_takes_a_picture_with_equal_vectors_for_the_picture_itself(library: Any) -> None:
    """The same pixels in other bytes come earlier in the library, so they win every tie."""
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "saved once more")
    for name in library.names():
        Image.open(library.photos / name).save(library.photos / f"again-{name}", pnginfo=text)
    library.add(library.names())
    view = library.store.view()
    alone = retrieve_altered(library.store, library.model, view, view.image_ids)
    library.remove(library.names())
    library.add([f"again-{name}" for name in library.names()])
    library.add(library.names())
    view = library.store.view()
    later = np.sort(view.image_ids)[-12:]
    doubled = retrieve_altered(library.store, library.model, view, later)
    assert doubled.r1 == alone.r1 and doubled.images == 12


def test_evaluation_of_a_library_without_snapshot_says_that_search_is_exact(library: Any) -> None:
    library.add(library.names())
    found = evaluate_self(library.store, library.model)
    assert found.library_pictures == found.retrieval.images == 12
    index = found.index
    assert (index.kind, index.queries, index.recall_at_10, index.recall_at_100) == (EXACT, 0, 1.0, 1.0)
    assert index.note == "no snapshot" and index.snapshot_ms is None and index.exact_ms > 0


def built_snapshot(library: Any) -> Any:
    pytest.importorskip("faiss")
    from imgsearch.progress import Silence
    from indexer.snapshot import build_snapshot

    return build_snapshot(library.store, Silence())


def test_evaluation_says_that_a_small_library_does_without_its_snapshot(library: Any) -> None:
    library.add(library.names())
    built_snapshot(library)
    index = evaluate_self(library.store, library.model, sample=1).index
    assert (index.kind, index.queries, index.recall_at_10) == (EXACT, 0, 1.0)
    assert "from 2,001 pictures on" in index.note


def test_evaluation_says_why_a_snapshot_is_passed_over(library: Any) -> None:
    library.add(library.names())
    built_snapshot(library).path.unlink()
    index = evaluate_self(library.store, library.model, sample=1).index
    assert index.kind == EXACT and "is missing" in index.note and "imgsearch build" in index.note


@pytest.mark.parametrize(("named", "sample"), [(range(12), 12), ((0, 5, 11), 12), ((), 5)])
def test_evaluation_measures_what_a_snapshot_loses(
    library: Any, monkeypatch: pytest.MonkeyPatch, named: Any, sample: int
) -> None:
    """A first stage that names only some slots, in a library whose every picture it covers."""

    class Stage:
        stop = 12

        def candidates(self, text: np.ndarray, count: int, allowed: Any) -> np.ndarray:
            return np.array(named, np.int64)

    class Truncated(SnapshotIndex):
        """As in a large library, where the pool is larger than any answer, nothing follows the pool."""

        def search(self, texts: np.ndarray, k: int, allowed: Any = None) -> Candidates:
            found = super().search(texts, k, allowed)
            outside = ~np.isin(found.slots, list(named))
            return Candidates(np.where(outside, -1, found.slots), np.where(outside, -np.inf, found.scores))

    library.add(library.names())
    view = library.store.view()
    index = Truncated(view, Stage(), view.tie_keys(), candidates=3, exact_more=0)
    monkeypatch.setattr(self_evaluation, "latest_snapshot", lambda store: SimpleNamespace(kind="fake-1"))
    monkeypatch.setattr(self_evaluation, "open_index", lambda view, snapshot: (index, None))
    asked: list[np.ndarray] = []

    def watched(index: Any, exact: Any, queries: np.ndarray, *rest: Any, **more: Any) -> list[float]:
        asked.append(queries)
        return recalls(index, exact, queries, *rest, **more)

    monkeypatch.setattr(self_evaluation, "recalls", watched)
    found = evaluate_self(library.store, library.model, sample=sample, seed=3).index
    (queries,) = asked
    assert (found.kind, found.queries, len(queries)) == ("fake-1", 2 * sample, 2 * sample)
    np.testing.assert_allclose(np.linalg.norm(queries, axis=1), 1, atol=1e-3)
    vectors = view.read(np.arange(12))
    whole = np.ones(12, np.bool_)
    for k, recall in ((10, found.recall_at_10), (100, found.recall_at_100)):
        best = [slot for query in queries for slot in ranking(vectors, query, whole)[:k]]
        assert recall == pytest.approx(sum(slot in set(named) for slot in best) / len(best))
    assert (found.recall_at_10 == 1.0) == (len(named) == 12)
    # The second half are tokens of the pictures, each of another one.
    owners = [np.flatnonzero((np.abs(vectors - query).max(axis=2) < 1e-6).any(axis=1)) for query in queries[sample:]]
    assert sorted({int(owner[0]) for owner in owners}) == sorted(int(owner[0]) for owner in owners)


def test_evaluation_takes_the_same_pictures_for_the_same_seed_and_others_for_another(
    library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.add(library.names())
    taken: list[str] = []

    def gone(path: Path, size: int, content_hash: str, told: int) -> np.ndarray:
        taken.append(path.name)
        raise MediaError("not looked at here", stage="read")

    monkeypatch.setattr(self_evaluation, "altered_pixels", gone)

    def looked_for(seed: int) -> list[str]:
        taken.clear()
        assert evaluate_self(library.store, library.model, sample=4, seed=seed).retrieval.left_out == 4
        return sorted(taken)

    first = looked_for(-7)
    assert len(set(first)) == 4 and looked_for(-7) == first
    assert any(looked_for(seed) != first for seed in (1, 2, 3))


def test_evaluation_without_any_file_measures_the_index_alone(library: Any) -> None:
    library.add(library.names())
    for name in library.names():
        (library.photos / name).unlink()
    found = evaluate_self(library.store, library.model, sample=5)
    none = found.retrieval
    assert (none.images, none.left_out, none.r1, none.r5) == (0, 5, None, None)
    assert found.index.recall_at_10 == 1.0


def test_evaluation_refuses_an_empty_library_and_an_empty_sample(library: Any) -> None:
    with pytest.raises(UsageError, match="holds no picture") as empty:
        evaluate_self(library.store, library.model)
    assert "imgsearch index" in empty.value.hint
    with pytest.raises(UsageError, match="-3 pictures, expected 1 or more"):
        evaluate_self(library.store, library.model, sample=-3)
