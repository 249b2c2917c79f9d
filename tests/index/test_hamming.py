import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgsearch.index import hamming
from imgsearch.index.hamming import HammingIndex, distinct_hashes, hamming_pairs, plan_chunks


def clustered(count: int, seed: int) -> np.ndarray:
    """Hashes in clusters, a few bits apart, some equal: uint64 [count]."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2**64, max(1, count // 8), dtype=np.uint64)
    found = centres[rng.integers(0, len(centres), count)]
    for _ in range(6):
        flip = rng.random(count) < 0.7
        found ^= np.where(flip, np.uint64(1) << rng.integers(0, 64, count, dtype=np.uint64), np.uint64(0))
    return found


def all_with_all(first: list[int], second: list[int], radius: int, within: bool) -> set[tuple[int, int, int]]:
    found = {(i, j, (a ^ b).bit_count()) for i, a in enumerate(first) for j, b in enumerate(second)}
    return {(i, j, bits) for i, j, bits in found if bits <= radius and (i < j or not within)}


def collected(blocks) -> set[tuple[int, int, int]]:
    rows = [row for i, j, bits in blocks for row in zip(i.tolist(), j.tolist(), bits.tolist(), strict=True)]
    assert len(rows) == len(set(rows)), "a pair came twice"
    return set(rows)


@pytest.fixture
def in_small_pieces(monkeypatch):
    """Blocks that end in the middle of a key and of a set."""
    monkeypatch.setattr(hamming, "_BLOCK", 7)
    monkeypatch.setattr(hamming, "_QUERIES", 50)


@pytest.mark.parametrize("chunks", [0, 3, 5, 8, 16])
@pytest.mark.parametrize("radius", [0, 2, 7, 10])
def test_pairs_are_those_of_brute_force_however_hashes_are_cut(in_small_pieces, monkeypatch, chunks, radius) -> None:
    cut = hamming._cut(chunks, radius) if chunks else ()
    monkeypatch.setattr(hamming, "plan_chunks", lambda *_: cut)
    first, second = clustered(120, 1), clustered(90, 2)
    second[:30] = first[:30]
    first[100:] = first[0]
    assert collected(hamming_pairs(first, None, radius)) == all_with_all(first.tolist(), first.tolist(), radius, True)
    assert collected(hamming_pairs(first, second, radius)) == all_with_all(
        first.tolist(), second.tolist(), radius, False
    )


@given(st.lists(st.integers(0, 2**64 - 1), max_size=25), st.integers(0, 64), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_pairs_are_those_of_brute_force_for_any_hashes_and_radius(values, radius, m) -> None:
    hashes = np.array(values, np.uint64)
    index = HammingIndex(hashes, radius, len(hashes))
    if m >= 3:
        index.chunks = tuple(chunk for chunk in hamming._cut(m, radius) if chunk.radius <= 2)
        if len(index.chunks) < len(hamming._cut(m, radius)):
            return  # patterns without end
    assert collected(index.pairs(hashes, within=True)) == all_with_all(values, values, radius, True)
    assert collected(index.pairs(hashes)) == all_with_all(values, values, radius, False)


def test_chunks_cover_all_bits_and_leave_no_pair_out() -> None:
    for radius in range(21):
        for m in range(3, 17):
            chunks = hamming._cut(m, radius)
            assert sum(chunk.radius + 1 for chunk in chunks) == radius + 1
            bits = [bit for chunk in chunks for bit in range(chunk.shift, chunk.shift + chunk.bits)]
            assert len(bits) == len(set(bits)) and max(bits) < 64


def test_plan_compares_few_directly_and_cuts_many_into_fewer_chunks() -> None:
    assert plan_chunks(8, 1_000_000, 10) == ()
    assert plan_chunks(100, 100, 10) == ()
    assert len(plan_chunks(10_000, 10_000, 8)) > len(plan_chunks(1_000_000, 1_000_000, 8)) == 3


def test_work_grows_far_slower_than_the_square() -> None:
    """Candidates looked at, not seconds."""
    looked = []
    for count in (4_000, 64_000):
        hashes = np.random.default_rng(3).integers(0, 2**64, count, dtype=np.uint64)
        chunks = plan_chunks(count, count, 8)
        patterns = [sum(1 for _ in hamming._rounds(hamming._Queries.of(hashes[:1], 0, c), c, False)) for c in chunks]
        looked.append(sum(n * count * (1 + count / 2**c.bits) for n, c in zip(patterns, chunks, strict=True)))
    assert looked[1] / looked[0] < 16 * 16 / 3


def test_distinct_hashes_list_who_has_which() -> None:
    hashes = np.array([5, 2**63, 5, 7, 2**63, 5], np.uint64)
    values, rows, starts = distinct_hashes(hashes)
    found = {int(value): rows[starts[at] : starts[at + 1]].tolist() for at, value in enumerate(values)}
    assert found == {5: [0, 2, 5], 7: [3], 2**63: [1, 4]}
    values, rows, starts = distinct_hashes(np.empty(0, np.uint64))
    assert (len(values), len(rows), starts.tolist()) == (0, 0, [0])


@pytest.mark.parametrize("radius", [-1, 65])
def test_radius_outside_a_hash_is_refused(radius) -> None:
    with pytest.raises(ValueError, match="expected 0 to 64 bits"):
        list(hamming_pairs(np.zeros(2, np.uint64), None, radius))


def test_nothing_has_no_pairs() -> None:
    none, one = np.empty(0, np.uint64), np.zeros(1, np.uint64)
    assert collected(hamming_pairs(none, None, 4)) == collected(hamming_pairs(none, one, 4)) == set()
    assert collected(hamming_pairs(one, none, 4)) == collected(hamming_pairs(one, None, 4)) == set()
