"""Facets: every count is what the filter itself would find."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from both_catalogs import BOTH, is_left_out
from hypothesis import given, settings
from hypothesis import strategies as st

from imgsearch.records import Clause, Filters, MediaFacts, ModelId
from imgsearch.storage import EmbeddedBatch, FilePlace, Store, create_store, writing
from imgsearch.storage.reads.facets import read_facets

CATALOG_KINDS = BOTH

MODEL = ModelId("mini", "ab" * 32, "v1-112", "float32", 2, 4)
FOLDERS = [
    "2019/Spain",
    "2019/Spain/day 1",
    "2019",
    "2020/été",
    "2020/Spain",
    "2020/été/x",
    b"2020/\xff".decode("utf-8", "surrogateescape"),
]
CAMERAS = [None, "Canon EOS 5D", "CANON eos 5d Mark II", "NIKON D90", "100%_odd\\cam"]
KINDS = ["JPEG", "PNG", "CR2", "NEF", "HEIF"]


def build(folder: Path, roots: list[str], pictures: int, url: str) -> Store:
    """A library whose pictures lie here and there, every ninth of them deleted."""
    rng, store = random.Random(7), create_store(folder / "library", MODEL, catalog_url=url)
    with writing(store) as writer:
        root_ids = [writer.add_root(folder / root).root_id for root in roots]
        for number in range(pictures):
            taken = f"{rng.randint(2017, 2021)}-05-06T10:00:00" if rng.random() < 0.8 else None
            facts = MediaFacts(f"{number:064x}", number, 640, 480, rng.choice(KINDS), 1000, taken, rng.choice(CAMERAS))
            places = {
                (rng.choice(root_ids), f"{rng.choice(FOLDERS)}/{number} {rng.choice(['IMG', 'plan'])}.jpg")
                for _ in range(rng.choice((1, 1, 2, 3)))
            }
            with writer.transaction() as transaction:
                rows = [FilePlace(root_id, path, 1000, 1) for root_id, path in sorted(places)]
                transaction.add(EmbeddedBatch([facts], np.zeros((1, 2, 4), np.float32), [rows]))
                transaction.commit()
            if number % 9 == 4:
                with writer.transaction() as transaction:
                    for root_id, path in places:
                        transaction.remove_files(root_id, [path])
                    transaction.commit()
    return store


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, new_catalog: Callable[[], str]) -> Iterator[Store]:
    with build(tmp_path_factory.mktemp("facets"), ["photos"], 90, new_catalog()) as store:
        yield store


def found(store: Store, filters: Filters, clause: Clause) -> int:
    """What the filters find with this clause in the place of those of its name."""
    others = tuple(each for each in filters.clauses if each.name != clause.name or each.unwanted)
    return len(store.matching_images(Filters((*others, clause))))


def check(store: Store, filters: Filters) -> None:
    facets = read_facets(store, filters)
    for year, count in facets.years:
        assert count == found(store, filters, Clause("year", (year, year))) > 0
    for camera, count in facets.cameras:
        assert count == found(store, filters, Clause("camera", camera)) > 0
    for kind, count in facets.formats:
        assert count == found(store, filters, Clause("type", kind)) > 0
    for folder, count in facets.folders:
        assert count == found(store, filters, Clause("folder", str(folder))) > 0, folder
    without_year = Filters(tuple(c for c in filters.clauses if c.name != "year" or c.unwanted))
    dated = store.matching_images(Filters((*without_year.clauses, Clause("has", "date"))))
    assert sum(count for _, count in facets.years) == len(dated)


PATHS = ["", "2019", "2020", "2020/été", "2019/Spain", "nowhere"]
ONE = st.one_of(
    st.tuples(st.just("folder"), st.sampled_from(["spain", "photos", "été", "day"])),
    st.tuples(st.just("name"), st.sampled_from(["img", "plan", "*plan*", "1*"])),
    st.tuples(st.just("year"), st.sampled_from([(2018, 2018), (2017, 2019)])),
    st.tuples(st.just("camera"), st.sampled_from(["canon", "%", "5d"])),
    st.tuples(st.just("type"), st.sampled_from(["JPEG", "RAW", "HEIF"])),
    st.tuples(st.just("has"), st.sampled_from(["date", "camera"])),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.builds(lambda pair, unwanted: Clause(*pair, unwanted), ONE, st.booleans()), max_size=3),
    st.lists(st.sampled_from(PATHS), max_size=2),
)
def test_a_count_is_what_the_filter_finds(
    shelf: Store, catalog_kind: str, clauses: list[Clause], paths: list[str]
) -> None:
    if is_left_out(catalog_kind):
        return
    root = shelf.roots()[0].path
    check(shelf, Filters((*clauses, *(Clause("folder", str(root / path)) for path in paths))))


def test_folders_are_those_below_the_one_that_holds_all_that_is_left(shelf: Store) -> None:
    root = shelf.roots()[0].path
    assert [folder for folder, _ in read_facets(shelf, Filters()).folders] == [root / "2019", root / "2020"]
    inside = read_facets(shelf, Filters((Clause("folder", str(root / "2020")),))).folders
    assert [os.fsencode(folder.name) for folder, _ in inside] == [b"Spain", "été".encode(), b"\xff"]
    assert [f for f, _ in read_facets(shelf, Filters((Clause("folder", "spain"),))).folders] == [
        root / "2019",
        root / "2020",
    ]


def test_several_roots_are_the_folders(tmp_path: Path, new_catalog: Callable[[], str]) -> None:
    with build(tmp_path, ["a photos", "b photos"], 20, new_catalog()) as store:
        facets = read_facets(store, Filters())
        assert [folder for folder, _ in facets.folders] == [tmp_path / "a photos", tmp_path / "b photos"]
        check(store, Filters())
        check(store, Filters((Clause("folder", str(tmp_path / "b photos")),)))


def test_an_empty_library_has_none(tmp_path: Path, new_catalog: Callable[[], str]) -> None:
    with create_store(tmp_path / "library", MODEL, catalog_url=new_catalog()) as store:
        facets = read_facets(store, Filters())
    assert not (facets.years or facets.folders or facets.cameras or facets.formats)
