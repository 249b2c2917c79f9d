import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgsearch.index import agreeing, hamming
from imgsearch.index.covering import moved, parts_of, spread_bits
from imgsearch.index.hamming import HammingIndex, HashPartition, cheapest, distinct_hashes, hamming_pairs, plans_for


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
    """Blocks and segments that end in the middle of a run and of a set."""
    for name, size in {"_BLOCK": 8, "_STREAM": 16, "_SEGMENT": 64, "_HELD": 20}.items():
        monkeypatch.setattr(agreeing, name, size)
    monkeypatch.setattr(hamming, "_BLOCK", 8)


def planned(hashes: np.ndarray, radius: int, parts: int) -> HammingIndex:
    """An index that deals the bits out to so many parts, whatever it costs; 0: all with all."""
    index = HammingIndex(hashes, radius, 0)
    assert index.plans == []
    if parts and len(hashes):
        cut = parts_of(radius, parts)
        index.plans = [HashPartition(cut, spread_bits(index.hashes, parts), (-1e12,) * len(cut))]
    return index


@pytest.mark.parametrize(
    ("radius", "parts"), [*itertools.product([0, 2, 7], [0, 2, 3, 4, 6]), (10, 2), (10, 3), (14, 3)]
)
def test_pairs_are_those_of_brute_force_however_bits_are_dealt_out(in_small_pieces, radius, parts) -> None:
    first, second = clustered(120, 1), clustered(90, 2)
    second[:30] = first[:30]
    first[100:] = first[0]
    a, b = first.tolist(), second.tolist()
    assert collected(planned(first, radius, parts).pairs(first, within=True)) == all_with_all(a, a, radius, True)
    assert collected(planned(second, radius, parts).pairs(first)) == all_with_all(a, b, radius, False)
    assert collected(planned(first, radius, parts).pairs(second)) == all_with_all(b, a, radius, False)


@given(st.lists(st.integers(0, 2**64 - 1), max_size=25), st.integers(0, 64), st.sampled_from([0, 3, 4, 6]))
@settings(max_examples=25, deadline=None)
def test_pairs_are_those_of_brute_force_for_any_hashes_and_radius(values, radius, parts) -> None:
    hashes = np.array(values, np.uint64)
    if parts and not parts_of(radius, parts):
        parts = 0
    assert collected(planned(hashes, radius, parts).pairs(hashes, within=True)) == all_with_all(
        values, values, radius, True
    )
    assert collected(planned(hashes, radius, parts).pairs(hashes)) == all_with_all(values, values, radius, False)


def test_planted_pairs_are_found_among_many_whichever_bits_differ(monkeypatch) -> None:
    """Large enough for segments: of each pair exactly the radius of bits differs, at random places."""
    monkeypatch.setattr(agreeing, "_SEGMENT", 1 << 11)
    rng = np.random.default_rng(7)
    hashes = rng.integers(0, 2**64, 12_000, dtype=np.uint64)
    places = np.argsort(rng.random((6_000, 64)), axis=1)[:, :10]
    hashes[6_000:] = hashes[:6_000] ^ np.bitwise_or.reduce(np.uint64(1) << places.astype(np.uint64), axis=1)
    for parts in (2, 3):
        found = collected(planned(hashes, 10, parts).pairs(hashes, within=True))
        assert found >= {(row, row + 6_000, 10) for row in range(6_000)}
        assert len(found) <= 6_002
        found = collected(planned(hashes[:6_000], 10, parts).pairs(hashes[6_000:]))
        assert found >= {(row, row, 10) for row in range(6_000)}


KINDS = {
    "sixteen bits the same": lambda h: h & ~np.uint64(0xFFFF),
    "one half of few values": lambda h: (h & ~np.uint64(0xFFFFFFFF)) | (h >> np.uint64(61)),
    "both halves the same": lambda h: (h & np.uint64(0xFFFFFFFF)) | (h << np.uint64(32)),
    "one in two with a bare start": lambda h: np.where(np.arange(len(h)) % 2, h, h & np.uint64(0xFFFFFFFFFFFF)),
    "one crowd": lambda h: np.where(np.arange(len(h)) < 300, h[0] ^ (np.uint64(1) << (h & np.uint64(63))), h),
}


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_are_those_of_brute_force_where_many_bits_are_equal(kind, monkeypatch) -> None:
    monkeypatch.setattr(agreeing, "_SEGMENT", 1 << 10)
    hashes = KINDS[kind](np.random.default_rng(3).integers(0, 2**64, 3_000, dtype=np.uint64))
    bits = np.bitwise_count(hashes[:, None] ^ hashes[None])
    i, j = np.nonzero(np.triu(bits <= 10, 1))
    wanted = set(zip(i.tolist(), j.tolist(), bits[i, j].tolist(), strict=True))
    assert collected(planned(hashes, 10, 2).pairs(hashes, within=True)) == wanted
    assert collected(hamming_pairs(hashes, None, 10)) == wanted


@pytest.mark.parametrize("radius", range(8))
def test_any_difference_within_the_radius_of_a_part_leaves_a_mask_untouched(radius) -> None:
    """All differences of the radius up to five bits, else 20,000 at random."""
    part = parts_of(2 * radius + 1, 2)[0]
    assert (part.width, part.radius) == (32, radius)
    rng = np.random.default_rng(radius)
    sets = np.array(list(itertools.islice(itertools.combinations(range(32), radius), 300_000)), np.uint64)
    if radius > 5:
        sets = np.argsort(rng.random((20_000, 32)), axis=1)[:, :radius].astype(np.uint64)
    differences = np.zeros(len(sets), np.uint64)
    for column in sets.T:
        differences |= np.uint64(1) << column
    times = np.zeros(len(differences), np.int64)
    for number in range(len(part.masks)):
        times += part.is_first(number, differences)
    assert (times == 1).all()


def test_parts_share_the_radius_and_cut_every_bit_once() -> None:
    for radius in range(32):
        for count in range(2, 7):
            parts = parts_of(radius, count)
            if not parts:
                continue
            assert sum(part.radius + 1 for part in parts) == radius + 1
            bits = [bit for part in parts for bit in range(part.shift, part.shift + part.width)]
            assert len(bits) == len(set(bits)) and max(bits) < 64
    assert [len(part.masks) for part in parts_of(10, 2)] == [62, 30]
    assert parts_of(64, 2) == ()


def test_bits_that_tell_nothing_are_dealt_out_evenly() -> None:
    hashes = np.random.default_rng(2).integers(0, 2**64, 500, dtype=np.uint64) & ~np.uint64(0xFFFFFF)
    words = moved(hashes, spread_bits(hashes, 2))
    assert np.array_equal(np.bitwise_count(words[1:] ^ words[:-1]), np.bitwise_count(hashes[1:] ^ hashes[:-1]))
    varied = int(np.bitwise_or.reduce(words ^ words[0]))
    assert (varied & 0xFFFFFFFF).bit_count() == (varied >> 32).bit_count() == 20


def test_plan_compares_few_directly_and_takes_more_masks_for_many() -> None:
    hashes = np.random.default_rng(4).integers(0, 2**64, 20_000, dtype=np.uint64)
    plans = plans_for(hashes, 10)
    assert cheapest(plans, 8, 1_000_000, False) is None
    assert cheapest(plans, 100, 100, True) is None
    few, many = cheapest(plans, 20_000, 20_000, True), cheapest(plans, 1_000_000, 1_000_000, True)
    assert sum(len(part.masks) for part in few.parts) < sum(len(part.masks) for part in many.parts) == 92
    assert cheapest(plans_for(np.zeros(1_000, np.uint64), 10), 1_000, 1_000, True) is None  # all are alike


def test_work_grows_far_slower_than_the_square() -> None:
    """Pairs compared by the masks and hashes sorted, not seconds."""
    hashes = np.random.default_rng(3).integers(0, 2**64, 20_000, dtype=np.uint64)
    work = []
    for count in (100_000, 1_000_000):
        plan = cheapest(plans_for(hashes, 10), count, count, True)
        work.append(plan.cost_ns(count, count, True))
    assert work[1] / work[0] < 20


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
