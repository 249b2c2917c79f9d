"""Columns against the catalog's own SQL, over the same library, while it changes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from both_catalogs import BOTH, is_left_out
from hypothesis import given, settings
from hypothesis import strategies as st

from imgsearch.records import Clause, FileFacts, Filters, MediaFacts, ModelId, Word
from imgsearch.storage import (
    EmbeddedBatch,
    FilePlace,
    Store,
    StoredCaption,
    StoredText,
    TextLine,
    create_store,
    writing,
)
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.catalog.collected import marks
from imgsearch.storage.catalog.filters import matching_image_ids
from imgsearch.storage.collecting import Collecting
from imgsearch.storage.column_files import build_columns
from imgsearch.storage.reads.collected import find_album
from imgsearch.storage.reads.facets import read_facets
from imgsearch.storage.reads.places import read_places
from imgsearch.storage.reads.timeline import months, window
from imgsearch.storage.upkeep.compaction import compact_library

CATALOG_KINDS = BOTH
MODEL = ModelId("mini", "ab" * 32, "v1-112", "float32", 2, 4)
FOLDERS = (
    *("", "Trips/My Trip", "Trips/Spain 2019", "été", "work/trip-notes", "🏖 sea", "MyHoliday/O'Brien", "a/b/c"),
    b"bad \xff name".decode("utf-8", "surrogateescape"),
)
NAMES = ("IMG_2041.jpg", "Café plan.png", "trip.heic", "2019 sea.jpg")
DATES = (
    None,
    "2019",
    "2019-07",
    "2019-07-14",
    "1998",
    "2019-07-14T10:00:00",
    "2019-07-14T10:00:00.25+02:00",
    "2020-02",
)
CAMERAS = (None, "Canon EOS 5D", "CANON eos 5d Mark II", "NIKON D90", "100%_odd\\cam", "Ünlü")
KINDS = ("JPEG", "PNG", "CR2", "NEF", "HEIF")
WORDS = ("beach", "New York", "Anna", "🐶", "été")
SINGLE = -1  # the number of the picture that is a root of its own


@dataclass
class Shelf:
    """A library, and ways to change it by chance."""

    store: Store
    roots: list[int]
    rng: random.Random
    places: dict[int, list[tuple[int, str]]] = field(default_factory=dict)  # number -> its files
    gone: list[int] = field(default_factory=list)
    count: int = 0

    def facts(self, number: int) -> MediaFacts:
        rng = random.Random(number)
        place = (rng.uniform(-89, 89), rng.uniform(-180, 180)) if rng.random() < 0.6 else (None, None)
        date = rng.choice((*DATES, f"{rng.randint(2017, 2021)}-{rng.randint(1, 12):02d}-05T10:00:00"))
        source = rng.choice((None, "exif", "xmp")) if date else None
        sizes = (rng.choice((100, 640, 1000, 1040, 300_000)), rng.choice((100, 640, 1000, 2000)))
        kind, camera, stars = rng.choice(KINDS), rng.choice(CAMERAS), rng.choice((None, None, 1, 3, 5, -1))
        return MediaFacts(
            f"{number + 10:064x}", number, *sizes, kind, 9, date, camera, *place, taken_source=source, rating=stars
        )

    def words(self, number: int) -> tuple[Word, ...]:
        rng = random.Random(-number)
        return tuple(
            Word(rng.choice(("tag", "person", "caption")), rng.choice(WORDS), "xmp")
            for _ in range(rng.choice((0, 0, 1, 2)))
        )

    def place(self, number: int) -> FilePlace:
        root, path = (
            self.rng.choice(self.roots),
            "/".join(filter(None, (self.rng.choice(FOLDERS), f"{number} {self.rng.choice(NAMES)}"))),
        )
        dated = self.rng.choice(((None, None), ("2018-03-04T00:00:00", "name"), ("2021", "file")))
        return FilePlace(root, path, 9, 1, *dated)

    def id_of(self, number: int) -> int:
        content = self.facts(number).content_hash
        return self.store.known_contents([content])[content]

    def add(self, many: int = 1) -> None:
        numbers = list(range(self.count, self.count + many))
        self.count += many
        places = [[self.place(number) for _ in range(self.rng.choice((1, 1, 2)))] for number in numbers]
        with writing(self.store) as writer, writer.transaction() as tx:
            facts, words = [self.facts(number) for number in numbers], [self.words(number) for number in numbers]
            tx.add(EmbeddedBatch(facts, np.zeros((many, 2, 4), np.float32), places, words=words))
            tx.commit()
        for number, placed in zip(numbers, places, strict=True):
            self.places[number] = list({(each.root_id, each.relative_path) for each in placed})

    def remove(self) -> None:
        number = self.rng.choice(sorted(self.places))
        with writing(self.store) as writer, writer.transaction() as tx:
            for root_id, path in self.places.pop(number):
                tx.remove_files(root_id, [path])
            tx.commit()
        self.gone.append(number)

    def bring_back(self) -> None:
        if self.gone:
            number = self.gone.pop()
            place = self.place(number)
            with writing(self.store) as writer, writer.transaction() as tx:
                tx.place_files([(place, self.facts(number).content_hash)])
                tx.commit()
            self.places[number] = [(place.root_id, place.relative_path)]

    def move(self) -> None:
        number, place = self.rng.choice(sorted(self.places)), self.place(self.count)
        with writing(self.store) as writer, writer.transaction() as tx:
            root_id, path = self.places[number].pop()
            tx.remove_files(root_id, [path])
            tx.place_files([(place, self.id_of(number))])
            tx.commit()
        self.places[number].append((place.root_id, place.relative_path))

    def overwrite(self) -> None:
        """Another content at the place of a file."""
        one, other = self.rng.choice(sorted(self.places)), self.rng.choice(sorted(self.places))
        root_id, path = self.places[one][0]
        with writing(self.store) as writer, writer.transaction() as tx:
            tx.place_files([(FilePlace(root_id, path, 9, 2), self.id_of(other))])
            tx.commit()
        if one != other:
            self.places[one].remove((root_id, path))
            self.places[other].append((root_id, path))
            if not self.places[one]:
                del self.places[one]
                self.gone.append(one)

    def tell_anew(self) -> None:
        number, other = self.rng.choice(sorted(self.places)), self.facts(self.rng.randrange(10_000))
        told = FileFacts(
            other.taken_at, other.taken_source, other.camera, other.latitude, other.longitude, None, other.rating
        )
        with writing(self.store) as writer, writer.transaction() as tx:
            tx.facts.images[self.id_of(number)] = told
            tx.commit()

    def describe(self) -> None:
        image_id = self.id_of(self.rng.choice(sorted(self.places)))
        box = (0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0)
        lines = (TextLine("total beach", box, 0.9, ()),) if self.rng.random() < 0.7 else ()
        with writing(self.store) as writer:
            sure = self.rng.random() < 0.7
            writer.write_captions([StoredCaption(image_id, "a red boat", None, sure, "g", "f", "float32", "", "{}")])
            writer.write_texts([StoredText(image_id, lines, "e", "f")])
            if self.rng.random() < 0.2:
                writer.forget_captions([image_id])
                writer.forget_texts([image_id])

    def collect(self) -> None:
        image_ids = [self.id_of(number) for number in self.rng.sample(sorted(self.places), 4)]
        collecting = Collecting(self.store)
        collecting.mark("favourite", image_ids[:2], on=self.rng.random() < 0.7)
        collecting.mark("hidden", image_ids[3:], on=self.rng.random() < 0.5)
        collecting.put(find_album(self.store, self.rng.choice(("Trip", "Été"))).album_id, image_ids[1:])

    def compact(self) -> None:
        with writing(self.store) as writer:
            compact_library(writer)
        self.gone.clear()

    def change(self) -> None:
        """One of all changes."""
        ways = (self.add, self.remove, self.bring_back, self.move, self.overwrite, self.tell_anew, self.describe)
        self.rng.choice((*ways, self.collect))()


def new_shelf(folder: Path, seed: int, images: int, catalog_url: str) -> Shelf:
    """Two roots, and one that is a single file."""
    (folder / "photos of trips").mkdir()
    single = folder / "single sea.jpg"
    single.write_bytes(b"x")
    store = create_store(folder / "library", MODEL, catalog_url=catalog_url)
    with writing(store) as writer:
        roots = [writer.add_root(folder / name).root_id for name in ("photos of trips", "été 2")]
        file_root = writer.add_root(single).root_id
    for name in ("Trip", "Été", "Été 2"):
        Collecting(store).create(name)
    shelf = Shelf(store, roots, random.Random(seed))
    shelf.add(images)
    with writing(store) as writer, writer.transaction() as tx:
        tx.add(
            EmbeddedBatch([shelf.facts(SINGLE)], np.zeros((1, 2, 4), np.float32), [[FilePlace(file_root, "", 9, 1)]])
        )
        tx.commit()
    return shelf


@pytest.fixture(scope="module")
def shelf(
    tmp_path_factory: pytest.TempPathFactory, catalog_kind: str, new_catalog: Callable[[], str]
) -> Iterator[Shelf]:
    """Columns of seventy images, of which a third changed since."""
    shelf = new_shelf(tmp_path_factory.mktemp("columns"), 5, 70, new_catalog())
    for _ in range(15):
        shelf.change()
    assert build_columns(shelf.store) is not None
    for _ in range(30):
        shelf.change()
    shelf.compact()
    with shelf.store:
        yield shelf


def by_sql(store: Store, filters: Filters) -> list[int]:
    with store.catalog.look() as connection:
        filters = marks.shown(connection, filters)
        return matching_image_ids(connection, filters, lookups.resolved_roots(connection, store.path)).tolist()


def has_columns(store: Store) -> bool:
    return store.by_columns(lambda at_hand: True) is True


FOLDER_VALUES = (
    *("trip", "My Trip", "ETE", "tri", "holiday", "obrien", "🏖", "photos", "2019", "sea", "-"),
    *("*trip*", "Trips/*", "**/c", "?té*"),
)
ONE = st.one_of(
    st.tuples(
        st.just("folder"),
        st.sampled_from(FOLDER_VALUES),
    ),
    st.tuples(st.just("name"), st.sampled_from(["img", "IMG_204", "café", "plan", "*.jpg", "1*", "sea"])),
    st.tuples(st.sampled_from(["after", "before"]), st.sampled_from(["2018", "2019-07", "2019-07-14", "2020", "1998"])),
    st.tuples(st.just("year"), st.sampled_from([(2018, 2018), (2017, 2019), (9999, 9999), (0, 1998)])),
    st.tuples(st.just("camera"), st.sampled_from(["canon", "D9", "%", "_odd\\", "ünlü", "Ünlü"])),
    st.tuples(st.just("type"), st.sampled_from(["JPEG", "RAW", "HEIF", "GIF"])),
    st.tuples(
        st.sampled_from(["width", "height"]),
        st.sampled_from([(641, 1 << 40), (0, 999), (640, 640), (70_000, 1 << 40), (0, -1)]),
    ),
    st.tuples(st.just("is"), st.sampled_from(["landscape", "portrait", "square"])),
    st.tuples(st.just("has"), st.sampled_from(["gps", "date", "camera", "tag", "rating", "caption", "text"])),
    st.tuples(st.just("near"), st.sampled_from([(10.0, 20.0, 5000.0), (80.0, 179.0, 3000.0), (-60.0, -10.0, 9000.0)])),
    st.tuples(st.just("rating"), st.sampled_from([(0, 0), (-1, -1), (3, 5), (1, 1)])),
    st.tuples(st.just("tag"), st.sampled_from(["beach", "new york", "ann*", "🐶"])),
    st.tuples(st.just("is"), st.sampled_from(["favourite", "hidden"])),
    st.tuples(st.just("album"), st.sampled_from(["trip", "Été", "ete", "été*", "nowhere"])),
    st.tuples(st.sampled_from(["caption", "text"]), st.sampled_from(["red boat", "beach", "tot*", "anna"])),
)
CLAUSES = st.lists(st.builds(lambda pair, unwanted: Clause(*pair, unwanted), ONE, st.booleans()), max_size=4)
PATHS = st.lists(
    st.sampled_from(["", "photos of trips", "photos of trips/Trips", "single sea.jpg", "nowhere"]), max_size=1
)


def with_paths(shelf: Shelf, clauses: list[Clause], paths: list[str]) -> Filters:
    folder = shelf.store.path.parent
    return Filters((*clauses, *(Clause("folder", str(folder / path)) for path in paths)))


@settings(max_examples=60, deadline=None)
@given(CLAUSES, PATHS)
def test_columns_find_what_the_catalog_finds(
    shelf: Shelf, catalog_kind: str, clauses: list[Clause], paths: list[str]
) -> None:
    if is_left_out(catalog_kind):
        return
    filters = with_paths(shelf, clauses, paths)
    assert has_columns(shelf.store)
    assert shelf.store.matching_images(filters).tolist() == by_sql(shelf.store, filters)


@settings(max_examples=30, deadline=None)
@given(CLAUSES, PATHS)
def test_counts_by_columns_are_those_of_the_catalog(
    shelf: Shelf, catalog_kind: str, clauses: list[Clause], paths: list[str]
) -> None:
    if is_left_out(catalog_kind):
        return
    filters = with_paths(shelf, clauses[:3], paths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "by_columns", lambda self, work: None)
        expected = read_facets(shelf.store, filters), months(shelf.store, filters)
        listed = {order: window(shelf.store, 0, 1000, order, filters).tolist() for order in ("newest", "oldest")}
        placed = places_of(shelf.store, filters)
    assert (read_facets(shelf.store, filters), months(shelf.store, filters)) == expected
    assert places_of(shelf.store, filters) == placed
    for order, ids in listed.items():
        assert window(shelf.store, 0, 1000, order, filters).tolist() == ids
        assert window(shelf.store, 3, 5, order, filters).tolist() == ids[3:8]


def places_of(store: Store, filters: Filters) -> tuple[list[tuple[int, float, float]], int]:
    """By id, and how many say nothing of their place."""
    found = read_places(store, filters)
    rows = zip(found.image_ids.tolist(), found.latitude.tolist(), found.longitude.tolist(), strict=True)
    return sorted(rows), found.unplaced


def test_months_add_up_to_the_places_in_the_window(shelf: Shelf) -> None:
    ids = window(shelf.store, 0, 1000)
    dates = {image_id: record.dated_at or "" for image_id, record in shelf.store.images(ids.tolist()).items()}
    months_of = [(int(date[:4] or 0), int(date[5:7] or 0)) for date in (dates[image_id] for image_id in ids.tolist())]
    assert months_of == [(year, month) for year, month, count in months(shelf.store) for _ in range(count)]
    assert Counter(ids.tolist()) == Counter(by_sql(shelf.store, Filters()))
