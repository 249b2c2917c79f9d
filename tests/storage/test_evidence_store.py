import sqlite3
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgsearch.errors import CatalogDamaged, LibraryBusy, LibraryUnsupported
from imgsearch.storage.evidence import store as evidence_store
from imgsearch.storage.evidence.store import EvidenceStore, PairRow
from imgsearch.storage.vectors.id_ranges import as_ranges, covered, members, merged, without

TIERS = ("pixels", "perceptual", "near")


@pytest.fixture
def evidence(tmp_path) -> EvidenceStore:
    return EvidenceStore(tmp_path / "dedup")


def rows_of(count: int) -> list[PairRow]:
    rng = np.random.default_rng(0)
    first = rng.integers(1, 30, count)
    second = first + rng.integers(1, 5, count)
    tiers = rng.integers(0, 4, count)
    names = (*TIERS, "burst")
    return [PairRow(int(a), int(b), names[t], 0.5, 3, 2, 0.1) for a, b, t in zip(first, second, tiers, strict=True)]


def test_pairs_come_once_with_their_strongest_evidence(evidence, monkeypatch) -> None:
    monkeypatch.setattr(evidence_store, "_PAGE_ROWS", 9)  # pages end between two tiers of one pair
    rows = rows_of(150)
    evidence.add_pairs(iter(rows))
    strongest: dict[tuple[int, int], str] = {}
    for tier in reversed(TIERS):
        strongest |= {(row.first, row.second): tier for row in rows if row.tier == tier}
    assert [(row.first, row.second, row.tier) for row in evidence.pairs(TIERS)] == [
        (*key, tier) for key, tier in sorted(strongest.items())
    ]
    assert {row.tier for row in evidence.pairs(["burst"])} == {"burst"}
    asked = {key for key in strongest if 7 in key or 12 in key}
    assert [(row.first, row.second) for row in evidence.pairs_of([7, 12], TIERS)] == sorted(asked)
    assert evidence.count(["burst"]) == len({row[:3] for row in rows if row.tier == "burst"})


def test_pair_keeps_every_field_and_is_replaced_by_the_same_tier(evidence) -> None:
    row = PairRow(3, 9, "near", 0.75, 6, None, 0.25, 0.5, 0.875, 12.5)
    evidence.add_pairs([row._replace(score=0.1), row])
    assert list(EvidenceStore(evidence.folder).pairs(["near"])) == [row]


def test_added_pairs_are_whole_chunks_if_computing_them_fails(evidence, monkeypatch) -> None:
    monkeypatch.setattr(evidence_store, "_INSERT_ROWS", 4)

    def failing() -> Iterator[PairRow]:
        yield from (PairRow(number, 100, "near", 0.5) for number in range(10))
        raise PermissionError(13, "a picture, not the disk")

    with pytest.raises(PermissionError):  # not taken for the library's disk
        evidence.add_pairs(failing())
    assert [row.first for row in evidence.pairs(["near"])] == list(range(8))


def test_only_what_is_new_is_compared(evidence) -> None:
    ids = np.array([1, 2, 3, 50, 51, 99])
    evidence.mark_compared("perceptual", "1", ids[[0, 1, 3]])
    evidence.mark_compared("perceptual", "1", ids[[2, 0]])
    assert evidence.not_compared("perceptual", "1", ids[::-1]).tolist() == [99, 51]
    assert evidence.not_compared("perceptual", "2", ids).tolist() == ids.tolist()
    assert evidence.not_compared("near", "1", ids).tolist() == ids.tolist()


def test_another_recipe_compares_all_anew(evidence) -> None:
    evidence.add_pairs([PairRow(1, 2, "perceptual", 0.9), PairRow(1, 2, "near", 0.9)])
    evidence.mark_compared("perceptual", "1", np.array([1, 2]))
    assert not evidence.renew("perceptual", "1", ["perceptual"])
    assert evidence.count(TIERS) == 2
    assert evidence.renew("perceptual", "2", ["perceptual"])
    assert [row.tier for row in evidence.pairs(TIERS)] == ["near"]
    assert evidence.not_compared("perceptual", "2", np.array([1])).tolist() == [1]


def test_images_that_are_gone_are_forgotten(evidence) -> None:
    ids = np.arange(1, 11)
    evidence.add_pairs([PairRow(1, 2, "near", 0.9), PairRow(2, 3, "near", 0.9), PairRow(3, 4, "near", 0.9)])
    evidence.mark_compared("near", "1", ids)
    evidence.add_pixel_hashes("1", {2: b"two", 4: b"four"})
    assert evidence.keep_only(ids[ids != 2]) == 1
    assert [(row.first, row.second) for row in evidence.pairs(TIERS)] == [(3, 4)]
    assert evidence.not_compared("near", "1", ids).tolist() == [2]  # and compared again when it is back
    assert evidence.pixel_hashes("1", [2, 4]) == {4: b"four"}


def test_pixel_hashes_belong_to_their_recipe(evidence) -> None:
    evidence.add_pixel_hashes("1", {5: b"old"})
    assert evidence.pixel_hashes("2", [5]) == {}
    evidence.add_pixel_hashes("2", {5: b"new"})
    assert evidence.pixel_hashes("2", [5, 6]) == {5: b"new"}


def test_files_of_one_content_are_remembered_as_wanted(evidence) -> None:
    content = "ab" * 32
    assert evidence.remember_distinct([(content, content)]) == 1
    assert evidence.distinct_among([content, "cd" * 32]) == {frozenset([content])}
    assert evidence.forget_distinct([(content, content)]) == 1 and evidence.distinct_among([content]) == set()


def test_what_is_distinct_is_remembered_either_way_round(evidence, monkeypatch) -> None:
    monkeypatch.setattr(evidence_store, "_PAGE_ROWS", 2)
    a, b, c, d = (f"{number:064x}" for number in range(4))
    assert evidence.remember_distinct([(b, a), (c, b)]) == 2
    assert evidence.remember_distinct([(a, b), (d, a)]) == 1
    assert evidence.distinct_among([a, b, c]) == {frozenset((a, b)), frozenset((b, c))}
    assert [(first, second) for first, second, _ in evidence.distinct()] == [(a, b), (a, d), (b, c)]
    evidence.keep_only(np.empty(0, np.int64))  # what a person said does not depend on ids
    assert evidence.forget_distinct([(b, a)]) == 1
    assert evidence.distinct_among([a, b, c, d]) == {frozenset((b, c)), frozenset((a, d))}
    assert evidence.forget_distinct() == 2


def test_damaged_file_says_what_mends_it(evidence) -> None:
    evidence.path.write_bytes(b"not a database" * 500)
    with pytest.raises(CatalogDamaged, match="imgsearch dedup find"):
        evidence.count(TIERS)


def test_file_of_a_newer_program_is_refused(evidence) -> None:
    with sqlite3.connect(evidence.path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(LibraryUnsupported, match="version 99"):
        EvidenceStore(evidence.folder)


def test_second_writer_is_told_and_readers_go_on(evidence, monkeypatch) -> None:
    evidence.add_pairs([PairRow(1, 2, "near", 0.9)])
    monkeypatch.setattr(evidence_store, "_BUSY_MS", 20)
    other = sqlite3.connect(evidence.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LibraryBusy):
        evidence.add_pairs([PairRow(1, 3, "near", 0.9)])
    assert evidence.count(["near"]) == 1
    other.close()
    with evidence.running(), pytest.raises(LibraryBusy), evidence.running():
        pass


@given(st.lists(st.sets(st.integers(0, 40)), max_size=4), st.sets(st.integers(0, 40)))
@settings(max_examples=80, deadline=None)
def test_id_ranges_are_sets(parts, gone) -> None:
    ranges = np.empty((0, 2), np.int64)
    for part in parts:
        ranges = merged(np.concatenate([ranges, as_ranges(np.array(list(part), np.int64))]))
    whole = set().union(*parts)
    assert set(members(ranges).tolist()) == whole
    assert covered(ranges, np.arange(45)).tolist() == [number in whole for number in range(45)]
    assert (ranges[1:, 0] > ranges[:-1, 1] + 1).all()  # as few as can be
    left = without(ranges, np.array(sorted(gone), np.int64))
    assert set(members(left).tolist()) == whole - gone
