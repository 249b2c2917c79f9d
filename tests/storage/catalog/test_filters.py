"""Filters against a plain reading of the same rows."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from both_catalogs import BOTH, is_left_out, only_sqlite
from hypothesis import given, settings
from hypothesis import strategies as st
from old_catalogs import take_back

from imgsearch.records import Clause, Filters, MediaFacts, ModelId
from imgsearch.storage import EmbeddedBatch, FilePlace, Store, create_store, open_store, writing
from imgsearch.storage.collecting import Collecting

CATALOG_KINDS = BOTH

MODEL = ModelId("mini", "ab" * 32, "v1-112", "float32", 2, 4)
FOLDERS = ["", "Trips/My Trip", "Trips/Spain 2019", "été", "work/trip-notes"]
NAMES = ["IMG_2041.jpg", "IMG_2042.JPG", "Café plan.png", "cafe.png", "x.heic", "trip.jpg"]


@dataclass
class Picture:
    """One picture of the oracle: what the catalog was told, and where its files lie."""

    image_id: int
    facts: MediaFacts
    paths: list[tuple[str, str]]  # folder and name
    deleted: bool = False
    marks: tuple[str, ...] = ()
    albums: tuple[str, ...] = ()

    @property
    def shown(self) -> bool:
        return not self.deleted and "hidden" not in self.marks


def facts_of(number: int, rng: random.Random) -> MediaFacts:
    day = f"{rng.randint(2017, 2021)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}T10:00:00"
    place = (rng.uniform(-89, 89), rng.uniform(-180, 180)) if rng.random() < 0.7 else (None, None)
    return MediaFacts(
        f"{number:064x}",
        number,
        rng.choice([100, 640, 1000, 1040, 2000]),
        rng.choice([100, 640, 1000, 2000]),
        rng.choice(["JPEG", "PNG", "HEIF"]),
        1000 + number,
        day if rng.random() < 0.8 else None,
        rng.choice([None, "Canon EOS 5D", "NIKON D90", "100%_odd\\cam"]),
        *place,
    )


@pytest.fixture(scope="module")
def shelf(
    tmp_path_factory: pytest.TempPathFactory, new_catalog: Callable[[], str]
) -> Iterator[tuple[Store, list[Picture]]]:
    """Eighty pictures, some with two files, six of them deleted."""
    folder = tmp_path_factory.mktemp("filters")
    rng, pictures = random.Random(4), []
    with create_store(folder / "library", MODEL, catalog_url=new_catalog()) as store:
        with writing(store) as writer:
            root_id = writer.add_root(folder / "photos").root_id
            for number in range(80):
                facts = facts_of(number, rng)
                paths = [(rng.choice(FOLDERS), f"{number} {rng.choice(NAMES)}") for _ in range(rng.choice((1, 1, 2)))]
                joined = list(dict.fromkeys("/".join(filter(None, path)) for path in paths))
                places = [FilePlace(root_id, path, facts.size_bytes, 1) for path in joined]
                with writer.transaction() as transaction:
                    transaction.add(EmbeddedBatch([facts], np.zeros((1, 2, 4), np.float32), [places]))
                    transaction.commit()
                if number % 15 == 7:
                    with writer.transaction() as transaction:
                        transaction.remove_files(root_id, joined)
                        transaction.commit()
                pictures.append(Picture(0, facts, paths, number % 15 == 7))
        ids = store.known_contents(picture.facts.content_hash for picture in pictures)
        for picture in pictures:
            picture.image_id = ids[picture.facts.content_hash]
            picture.marks = tuple(mark for mark in ("favourite", "hidden") if rng.random() < 0.3)
            picture.albums = tuple(name for name in ("Rome", "Rome 2019") if rng.random() < 0.4)
            for mark in picture.marks:
                Collecting(store).mark(mark, [picture.image_id])
        for name in ("Rome", "Rome 2019"):
            Collecting(store).create(name, [one.image_id for one in pictures if name in one.albums])
        yield store, pictures


def plain(text: str) -> list[str]:
    """Words as a person compares them: no case, no accents, anything but letters and digits parts them."""
    table = str.maketrans("éÉ", "ee")
    return "".join(letter if letter.isalnum() else " " for letter in text.translate(table).lower()).split()


def in_order(wanted: list[str], text: str, unfinished: bool) -> bool:
    found = plain(text)
    for start in range(len(found)):
        part = found[start : start + len(wanted)]
        last = part[-1].startswith(wanted[-1]) if unfinished and part else part[-1:] == wanted[-1:]
        if len(part) == len(wanted) and part[:-1] == wanted[:-1] and last:
            return True
    return False


def holds_of_file(clause: Clause, folder: str, name: str) -> bool:
    if clause.name == "folder":
        return in_order(plain(clause.value), folder, False) or in_order(plain(clause.value), "photos", False)
    return in_order(plain(clause.value), name, True)


def holds_of_picture(clause: Clause, picture: Picture) -> bool:
    value = str(clause.value).lower()
    if value in ("favourite", "hidden"):
        return value in picture.marks
    if clause.name == "album":
        return any(album.lower() == value or value == "ro*" for album in picture.albums)
    return holds_of_facts(clause, picture.facts)


def holds_of_facts(clause: Clause, facts: MediaFacts) -> bool:
    value = clause.value
    longer, shorter = max(facts.width, facts.height), min(facts.width, facts.height)
    shape = "square" if longer <= 1.05 * shorter else "landscape" if facts.width > facts.height else "portrait"
    taken = facts.taken_at or ""
    match clause.name:
        case "after":
            return bool(taken) and taken >= value
        case "before":
            return bool(taken) and taken < value
        case "year":
            return bool(taken) and value[0] <= int(taken[:4]) <= value[1]
        case "camera":
            return facts.camera is not None and value.lower() in facts.camera.lower()
        case "type":
            return facts.format == value
        case "width" | "height":
            return value[0] <= getattr(facts, clause.name) <= value[1]
        case "is":
            return shape == value
        case "has":
            return {"gps": facts.latitude, "date": facts.taken_at, "camera": facts.camera}[value] is not None
        case "near":
            return facts.latitude is not None and distance_km(value, facts) <= value[2]
    raise AssertionError(clause.name)


def distance_km(value: tuple[float, float, float], facts: MediaFacts) -> float:
    """By the angle between two directions in space; another formula than the code's."""
    angles = [math.radians(x) for x in (value[0], value[1], facts.latitude or 0, facts.longitude or 0)]
    one, other = (
        (math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat))
        for lat, lon in (angles[:2], angles[2:])
    )
    return 6371.0088 * math.acos(max(-1, min(1, sum(a * b for a, b in zip(one, other, strict=True)))))


def expected(pictures: list[Picture], clauses: list[Clause]) -> list[int]:
    found = []
    for picture in pictures:
        files = [(folder, name) for folder, name in picture.paths]
        of_files = [clause for clause in clauses if clause.name in ("folder", "name")]
        of_facts = [clause for clause in clauses if clause.name not in ("folder", "name")]
        fits = not picture.deleted
        fits &= not any(holds_of_file(c, *file) for c in of_files if c.unwanted for file in files)
        wanted = {name: [c for c in of_files if c.name == name and not c.unwanted] for name in ("folder", "name")}
        fits &= any(all(any(holds_of_file(c, *f) for c in group) for group in wanted.values() if group) for f in files)
        fits &= not any(holds_of_picture(c, picture) for c in of_facts if c.unwanted)
        fits &= "hidden" not in picture.marks or any(c.value == "hidden" for c in of_facts)
        asked = {c: c.name if c.value not in ("favourite", "hidden") else c.value for c in of_facts if not c.unwanted}
        for name in set(asked.values()):
            answers = [holds_of_picture(c, picture) for c in asked if asked[c] == name]
            fits &= any(answers) if name in Filters.ANY else all(answers)
        if fits:
            found.append(picture.image_id)
    return sorted(found)


ONE = st.one_of(
    st.tuples(st.just("folder"), st.sampled_from(["trip", "My Trip", "spain", "ETE", "tri", "trips/my", "photos"])),
    st.tuples(st.just("name"), st.sampled_from(["img", "IMG_204", "café", "2041.jpg", "plan", "trip jpg", "1"])),
    st.tuples(st.sampled_from(["after", "before"]), st.sampled_from(["2018", "2019-06", "2020-02-14"])),
    st.tuples(st.just("year"), st.sampled_from([(2018, 2018), (2017, 2019)])),
    st.tuples(st.just("camera"), st.sampled_from(["canon", "D9", "%", "_odd\\"])),
    st.tuples(st.just("type"), st.sampled_from(["JPEG", "PNG", "HEIF", "GIF"])),
    st.tuples(st.sampled_from(["width", "height"]), st.sampled_from([(641, 1 << 40), (0, 999), (640, 640)])),
    st.tuples(st.just("is"), st.sampled_from(["landscape", "portrait", "square"])),
    st.tuples(st.just("is"), st.sampled_from(["favourite", "hidden"])),
    st.tuples(st.just("album"), st.sampled_from(["rome", "ROME 2019", "ro*", "Ostern"])),
    st.tuples(st.just("has"), st.sampled_from(["gps", "date", "camera"])),
    st.tuples(st.just("near"), st.sampled_from([(10.0, 20.0, 5000.0), (80.0, 179.0, 3000.0), (-60.0, -10.0, 9000.0)])),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(st.builds(lambda pair, unwanted: Clause(*pair, unwanted), ONE, st.booleans()), max_size=4))
def test_matching_images_are_those_that_a_plain_reading_finds(
    shelf: tuple[Store, list[Picture]], catalog_kind: str, clauses: list[Clause]
) -> None:
    if is_left_out(catalog_kind):
        return
    store, pictures = shelf
    assert store.matching_images(Filters(tuple(clauses))).tolist() == expected(pictures, clauses)


def test_folder_as_a_path_takes_what_lies_below_it(shelf: tuple[Store, list[Picture]]) -> None:
    store, pictures = shelf
    root = store.roots()[0].path
    for folder, prefix in ((root, ""), (root.parent, ""), (root / "Trips", "Trips/"), (root / "Trips" / "My", "-")):
        found = store.matching_images(Filters((Clause("folder", str(folder)),))).tolist()
        below = [p.image_id for p in pictures if p.shown and any(f"{f}/".startswith(prefix) for f, _ in p.paths)]
        assert found == below
    assert store.matching_images(Filters((Clause("folder", "/nowhere"),))).tolist() == []


@pytest.mark.parametrize(("pattern", "wanted"), [("*.JPG", "jpg"), ("*plan*", "plan"), ("? x.*", "x"), ("*[*", "-")])
def test_name_with_marks_is_a_glob(shelf: tuple[Store, list[Picture]], pattern: str, wanted: str) -> None:
    store, pictures = shelf
    fits = {"jpg": lambda n: n.lower().endswith(".jpg"), "plan": lambda n: "plan" in n, "-": lambda n: False}
    fits["x"] = lambda name: len(name) > 2 and name[1:].startswith(" x.")
    below = [p.image_id for p in pictures if p.shown and any(fits[wanted](name) for _, name in p.paths)]
    assert store.matching_images(Filters((Clause("name", pattern),))).tolist() == below


def test_names_that_are_not_text_neither_break_nor_hide_others(tmp_path: Path, new_catalog: Callable[[], str]) -> None:
    names = [b"caf\xe9 one.jpg", b"\xff\xfe.jpg", b"plain one.jpg"]
    with create_store(tmp_path / "library", MODEL, catalog_url=new_catalog()) as store, writing(store) as writer:
        root_id = writer.add_root(tmp_path / "photos").root_id
        facts = [facts_of(number, random.Random(number)) for number in range(3)]
        places = [[FilePlace(root_id, name.decode("utf-8", "surrogateescape"), 1, 1)] for name in names]
        with writer.transaction() as transaction:
            transaction.add(EmbeddedBatch(facts, np.zeros((3, 2, 4), np.float32), places))
            transaction.commit()
        assert store.matching_images(Filters((Clause("name", "one"),))).tolist() == [1, 3]
        assert store.matching_images(Filters((Clause("name", "*.jpg"),))).tolist() == [1, 2, 3]


@only_sqlite
@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0005", "0006", "0007"])
def test_a_library_of_an_old_schema_is_brought_up_to_date_with_its_names(tmp_path: Path, revision: str) -> None:
    with create_store(tmp_path / "library", MODEL) as store:
        with writing(store) as writer:
            root_id = writer.add_root(tmp_path / "photos").root_id
            place = FilePlace(root_id, "Trips/cat.jpg", 1, 1)
            with writer.transaction() as transaction:
                facts = facts_of(1, random.Random(1))
                transaction.add(EmbeddedBatch([facts], np.zeros((1, 2, 4), np.float32), [[place]]))
                transaction.commit()
        catalog = store.layout.catalog
    take_back(catalog, revision)
    with open_store(tmp_path / "library") as store:
        assert store.matching_images(Filters((Clause("folder", "trips"), Clause("name", "cat")))).tolist() == [1]
        for clause in (Clause("caption", "cat"), Clause("text", "cat"), Clause("has", "text")):
            assert store.matching_images(Filters((clause,))).tolist() == []
