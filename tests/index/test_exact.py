from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from imgsearch.index import ExactIndex, TokenRows, scoring, sweep


def unit(seed: int, *shape: int) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def test_answers_are_the_same_bits_whatever_the_block_and_the_number_of_texts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vectors, texts = unit(0, 501, 8, 64).astype(np.float16), unit(1, 33, 64)
    expected = ExactIndex(TokenRows(vectors)).search(texts, 20)
    for block_values, coarse_values in ((8 * 64, 501), (8 * 64 * 7, 501 * 5), (1 << 24, 1 << 26)):
        monkeypatch.setattr(sweep, "BLOCK_VALUES", block_values)
        monkeypatch.setattr(scoring, "BLOCK_VALUES", block_values)
        monkeypatch.setattr(scoring, "COARSE_VALUES", coarse_values)
        found = ExactIndex(TokenRows(vectors)).search(texts, 20)
        assert found.slots.tolist() == expected.slots.tolist()
        assert found.scores.tobytes() == expected.scores.tobytes()


def test_near_ties_go_by_tie_key_not_by_the_last_bits() -> None:
    text = np.zeros((1, 8), np.float32)
    text[0, 0] = 1.0
    vectors = np.zeros((3, 1, 8), np.float32)
    vectors[:, 0, 0] = [0.500001, 0.500003, 0.500021]  # the first two are one multiple of 1e-5
    found = ExactIndex(TokenRows(vectors), np.array([7, 9, 8], np.int64)).search(text, 3)
    assert found.slots.tolist() == [[2, 0, 1]]


def test_int8_rows_are_scaled() -> None:
    vectors, texts = unit(2, 90, 4, 32), unit(3, 5, 32)
    stored = np.rint(vectors * 127).astype(np.int8)
    found = ExactIndex(TokenRows(stored, scale=1 / 127)).search(texts, 10)
    truth = np.einsum("ntd,qd->qnt", stored / 127.0, texts).max(2)
    np.testing.assert_allclose(found.scores, -np.sort(-truth, axis=1)[:, :10], atol=1e-5)


def test_subnormal_and_negative_float16_values_count() -> None:
    vectors = np.array([[[6e-8, -0.5]], [[3e-5, -0.5]], [[-6e-8, -0.5]]], np.float16)
    texts = np.array([[1.0, 0.0], [0.0, -1.0]], np.float32)
    found = ExactIndex(TokenRows(vectors)).search(texts, 3)
    assert found.slots.tolist() == [[1, 0, 2], [0, 1, 2]]
    np.testing.assert_allclose(found.scores[1], 0.5)


def test_missing_slots_are_never_returned() -> None:
    class Sparse(TokenRows):
        """Slots 10..29 do not exist."""

        def stored_blocks(self, max_slots: int, first: int = 0, stop: int | None = None):  # type: ignore[no-untyped-def]
            stop = self.slots if stop is None else stop
            for low, high in ((0, 10), (30, self.slots)):
                yield from super().stored_blocks(max_slots, max(first, low), min(stop, high))

        def read(self, slots: np.ndarray) -> np.ndarray:
            assert not ((slots >= 10) & (slots < 30)).any()
            return super().read(slots)

    found = ExactIndex(Sparse(unit(8, 50, 4, 16).astype(np.float16))).search(unit(9, 3, 16), 50)
    assert np.sort(found.slots, axis=1)[:, 20:].tolist() == [[*range(10), *range(30, 50)]] * 3
    assert (found.slots[:, 30:] == -1).all()


@pytest.mark.parametrize("damage", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_damaged_row_is_no_answer_and_hides_none(damage: float, dtype: type) -> None:
    vectors = unit(4, 20, 2, 8).astype(dtype)
    texts = unit(5, 4, 8)
    expected = ExactIndex(TokenRows(vectors)).search(texts, 19, np.arange(20) != 6)
    vectors[6, 1, 3] = damage
    if np.isneginf(damage):
        texts = np.abs(texts)
        expected = ExactIndex(TokenRows(vectors)).search(texts, 19, np.arange(20) != 6)
    found = ExactIndex(TokenRows(vectors)).search(texts, 20)
    undamaged = [[slot for slot in row if slot not in (6, -1)] for row in found.slots.tolist()]
    assert undamaged == expected.slots.tolist()
    assert np.isfinite(found.scores[found.slots >= 0]).all()


def test_memory_is_bounded_when_vectors_are_many() -> None:
    class Generated(TokenRows):
        """40,000 images that exist one block at a time."""

        def __init__(self) -> None:
            super().__init__(unit(6, 64, 32, 64).astype(np.float16))
            self.slots = 40_000

        def stored_blocks(self, max_slots: int, first: int = 0, stop: int | None = None):  # type: ignore[no-untyped-def]
            for start in range(first, self.slots if stop is None else stop, max_slots):
                yield start, self._vectors[: min(max_slots, self.slots - start, 64)], 1.0

        def read(self, slots: np.ndarray) -> np.ndarray:
            return super().read(slots % 64)

    tracemalloc.start()
    ExactIndex(Generated()).search(unit(7, 1, 64), 10, None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 48 << 20  # all 40,000 in float32 would be 320 MiB


def test_tie_keys_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \[3\]"):
        ExactIndex(TokenRows(np.zeros((3, 1, 4), np.float16)), np.arange(2))
