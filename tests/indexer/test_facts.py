"""Facts through whole runs: dates of names, sidecars that come, change and go, libraries of old programs."""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from imgsearch.media.shown import show_file
from imgsearch.records import ImageRecord
from imgsearch.search.query.parser import parse
from imgsearch.settings import Settings
from imgsearch.storage import open_store
from imgsearch.storage.reads.fact_reads import read_words
from indexer.index_run import IndexRequest, run_index
from indexer.report import RunSummary

SIDECAR = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmp:Rating="{rating}" photoshop:DateCreated="1998-07">
<dc:subject><rdf:Bag><rdf:li>New York</rdf:li><rdf:li>Maria</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta>"""
NOTES = {
    "photoTakenTime": {"timestamp": "1563117012"},
    "geoData": {"latitude": 48.1, "longitude": 2.0},
    "description": "red boat",
}


@pytest.fixture
def library(tmp_path):
    class Library:
        pictures = tmp_path / "pictures"
        folder = tmp_path / "library"

        def picture(self, name: str, colour: str, **options: object) -> Path:
            path = self.pictures / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 30), colour).save(path, **options)
            os.utime(path, (1_400_000_000, 1_400_000_000))
            return path

        def index(self, *paths: Path) -> RunSummary:
            settings = replace(Settings(library=self.folder), model="none", workers=1)
            return run_index(IndexRequest([os.fspath(path) for path in paths or [self.pictures]], settings))

        def record(self, path: Path) -> ImageRecord:
            with open_store(self.folder) as store:
                return next(
                    each for each in store.iter_images() if path in store.all_paths([each.image_id])[each.image_id]
                )

        def words(self, path: Path) -> list[tuple[str, str]]:
            image_id = self.record(path).image_id
            with open_store(self.folder) as store:
                return [(word.text, word.source) for word in read_words(store, [image_id])[image_id]]

        def names(self, query: str) -> list[str]:
            with open_store(self.folder) as store:
                ids = store.matching_images(parse(query).filters).tolist()
                return sorted(path.name for path in store.paths(ids).values())

    return Library()


def test_a_library_without_exif_is_found_by_year_and_has_no_date(library):
    library.picture("IMG_20190714_153012.jpg", "red")
    library.picture("b.jpg", "blue")
    block = Image.Exif()
    block[0x9003] = "2001:02:03 04:05:06"
    library.picture("IMG_20180101_000000.png", "green", exif=block)
    library.index()
    assert library.names("year:2019") == ["IMG_20190714_153012.jpg"]
    assert library.names("year:2014") == ["b.jpg"]  # the file's time
    assert library.names("year:2001") == library.names("has:date") == ["IMG_20180101_000000.png"]
    assert library.names("year:2018") == []


def test_sidecars_are_read_when_they_come_change_and_go(library):
    plain = library.picture("sub/plain.jpg", "yellow")
    taken = library.picture("takeout/IMG_1.jpg", "green")
    (taken.parent / "IMG_1.jpg.supplemental-metadata.json").write_text(json.dumps(NOTES))
    first = library.index()
    assert (first.new, first.sidecars) == (2, 1)
    record = library.record(taken)
    assert (record.dated_at, record.dated_source) == ("2019-07-14T15:10:12+00:00", "takeout")
    assert (record.facts.taken_at, record.facts.latitude, record.facts.place_source) == (None, 48.1, "takeout")
    sidecar = plain.with_suffix(".xmp")
    sidecar.write_text(SIDECAR.format(rating=3))
    second = library.index()
    assert (second.unchanged, second.embedded, second.sidecars) == (2, 0, 1)
    assert library.names('tag:"new york" rating:>=3 year:1998') == ["plain.jpg"]
    assert library.names('tag:"york maria"') == []  # of two tags
    sidecar.write_text(SIDECAR.format(rating=5))
    assert library.index().sidecars == 1
    assert library.names("rating:5") == ["plain.jpg"]
    assert library.index().sidecars == 0
    sidecar.unlink()
    assert library.index().sidecars == 1
    record = library.record(plain)
    assert (record.dated_source, record.facts.rating, library.names("has:tag")) == ("file", None, [])


def test_a_picture_that_changes_or_is_indexed_alone_keeps_its_sidecar(library):
    path = library.picture("plain.jpg", "yellow")
    library.picture("other.jpg", "black")
    path.with_name("plain.jpg.xmp").write_text(SIDECAR.format(rating=4))
    library.index()
    library.picture("plain.jpg", "purple")
    os.utime(path)
    summary = library.index(path)
    assert (summary.seen, summary.changed, summary.sidecars) == (1, 1, 1)
    assert library.record(path).facts.rating == 4


def test_what_the_content_says_goes_before_its_sidecar(library):
    block = Image.Exif()
    block.update({0x9003: "2001:02:03 04:05:06", 0x4746: 2, 0x010E: "at the lake"})
    path = library.picture("a.jpg", "red", exif=block)
    path.with_suffix(".XMP").write_text(SIDECAR.format(rating=5))
    tagged = Image.Exif()
    tagged.update({**block, 0x9C9E: "Lake \u2605".encode("utf-16-le")})
    other = library.picture("b.jpg", "blue", exif=tagged)
    other.with_suffix(".xmp").write_text(SIDECAR.format(rating=5).replace("Maria", "\u2605\u2605"))
    other.with_name("b.jpg.json").write_text(json.dumps(NOTES | {"favorited": True, "people": [{"name": "Ann"}]}))
    library.index()
    record = library.record(path)
    assert (record.dated_at, record.facts.rating, record.facts.rating_source) == ("2001-02-03T04:05:06", 2, "exif")
    assert library.words(path) == [("at the lake", "exif"), ("New York", "sidecar"), ("Maria", "sidecar")]
    own = [("Lake \u2605", "exif"), ("at the lake", "exif"), ("Ann", "takeout"), ("favorite", "takeout")]
    assert library.words(other) == own  # of each kind only its own, and Google's mark
    shown = [(word.text, word.source) for word in show_file(other).facts.words]
    assert sorted(shown) == sorted(own)
    queries = "tag:york", "tag:favorite", "tag:\u2605\u2605"
    assert [library.names(query) for query in queries] == [["a.jpg"], ["b.jpg"], []]
    library.picture("b.jpg", "blue", exif=block)  # its tags are taken out of it
    library.index()
    assert library.names("tag:york") == ["a.jpg", "b.jpg"]


def test_of_two_files_of_a_content_the_better_date_counts(library):
    library.picture("b.jpg", "red")
    named = library.picture("IMG_20190714_153012.jpg", "red")
    library.index()
    assert library.record(named).dated_source == "name"
    named.unlink()
    library.index()
    assert library.record(library.pictures / "b.jpg").dated_source == "file"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        '{"photoTakenTime": 5}',
        '{"photoTakenTime": {"timestamp": "1e999"}, "geoData": {"latitude": "x"}}',
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><x>&a;</x>',
        "<" * 5_000_000,
    ],
)
def test_a_hostile_sidecar_is_harmless(library, text):
    path = library.picture("a.jpg", "red")
    for name in ("a.jpg.json", "a.xmp"):
        (path.parent / name).write_text(text)
    summary = library.index()
    assert (summary.new, summary.failed, summary.sidecars) == (1, 0, 1)
    assert library.record(path).dated_source == "file"
    assert library.index().sidecars == 0


def test_an_old_library_is_read_anew_without_its_pixels(library):
    block = Image.Exif()
    block.update({0x9003: "2015:08:22 24:08:19", 0x010E: "at the lake"})
    path = library.picture("a.jpg", "red", exif=block)
    library.picture("IMG_20190714_153012.jpg", "blue")
    library.index()
    with sqlite3.connect(library.folder / "catalog.db") as connection:  # as migrated
        connection.execute("UPDATE images SET facts_recipe = 0, taken_at = NULL, taken_source = NULL")
        connection.execute("UPDATE files SET dated_at = NULL, dated_source = NULL")
        connection.execute("DELETE FROM image_words")
        connection.execute("DELETE FROM word_search")
    connection.close()
    summary = library.index()
    assert (summary.embedded, summary.unchanged, summary.facts_renewed) == (0, 2, 2)
    assert library.record(path).dated_at == "2015-08-22T00:08:19"
    assert library.names("year:2019") == ["IMG_20190714_153012.jpg"]
    assert library.index().facts_renewed == 0
