"""A job reads what lies beside pictures as `imgsearch index` does, wherever a picture's shard is made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from imgsearch.settings import Settings
from imgsearch.storage import open_store, verify
from imgsearch.storage.reads.fact_reads import read_words
from indexer.index_run import IndexRequest, run_index

XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" {}>
<dc:subject><rdf:Bag><rdf:li>{}</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"""
NOTES = {"photoTakenTime": {"timestamp": "1563117012"}, "geoData": {"latitude": 48.1, "longitude": 2.0}}


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Six pictures: rated and dated, turned, with a note of Takeout's, a copy with a sidecar of its own, one beside a
    damaged sidecar, one without."""
    folder = tmp_path / "album"
    (folder / "takeout").mkdir(parents=True)
    for number, name in enumerate(("dated.png", "turned.png", "takeout/IMG_1.png", "plain.png", "odd.png")):
        Image.effect_noise((40 + number, 30), 40 + 10 * number).save(folder / name)
    shutil.copy(folder / "dated.png", folder / "takeout" / "copy.png")
    (folder / "dated.xmp").write_text(XMP.format('xmp:Rating="3" photoshop:DateCreated="1998-07"', "New York"))
    (folder / "turned.png.XMP").write_text(XMP.format('tiff:Orientation="6"', "tower"))
    (folder / "takeout" / "copy.xmp").write_text(XMP.format('xmp:Rating="5"', "lake"))
    (folder / "takeout" / "IMG_1.png.supplemental-metadata.json").write_text(json.dumps(NOTES))
    (folder / "odd.xmp").write_text("<x:xmpmeta")
    return folder


def facts(folder: Path) -> dict[str, Any]:
    with open_store(folder) as store:
        assert verify(store) == []
        records = {record.image_id: record for record in store.iter_images()}
        words = read_words(store, records)
        return {
            record.facts.content_hash: (
                record.facts,
                record.dated_at,
                record.dated_source,
                {(word.kind, word.text, word.source) for word in words.get(image_id, ())},
            )
            for image_id, record in records.items()
        }


def test_published_library_knows_what_index_would_have_read(
    jobs: Any, album: Path, tmp_path: Path, content: Any
) -> None:
    spec = jobs.create(album, shard_size=3)
    jobs.run(spec, decode_workers=1)
    made = jobs.publish(spec)
    run_index(IndexRequest((str(album),), Settings(tmp_path / "indexed", model="none", workers=1)))
    found = facts(made.folder)
    assert found == facts(tmp_path / "indexed")
    assert sorted(str(each[0].orientation_source) for each in found.values()).count("sidecar") == 1
    assert {word[1] for each in found.values() for word in each[3]} == {"New York", "lake", "tower"}
    other = jobs.create(album, name="other", shard_size=3)
    jobs.run(other, part=(2, 2), decode_workers=1)
    jobs.run(other, decode_workers=1)
    assert content(jobs.publish(other).folder) == content(made.folder)
    summary = run_index(IndexRequest((), Settings(made.folder, workers=1)))
    assert (summary.unchanged, summary.sidecars, summary.reread, summary.embedded) == (6, 0, 0, 0)


def test_stopped_worker_takes_no_sidecar_for_missing(jobs: Any, album: Path) -> None:
    spec = jobs.create(album / "turned.png", shard_size=1)
    assert jobs.run(spec, stop=lambda: True).sums.pending == 1
    assert not list(spec.layout.shards.iterdir())
