"""`imgsearch alt-text`: lists, sidecars and pages of what the library keeps; shown before it is written."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from imgsearch.cli.main import parser_of
from imgsearch.cli.parser import spoken
from imgsearch.cli.verbs.alt_text import ALT_TEXT
from imgsearch.errors import UsageError
from imgsearch.files import write_whole
from imgsearch.storage import StoredCaption, writing

KNOWN = b"""<x:xmpmeta xmlns:x='adobe:ns:meta/'><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<r:Description r:about='uuid:1' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/></r:RDF></x:xmpmeta>"""


@pytest.fixture
def shelf(library: Any) -> Any:
    library.add(library.names(4))
    with writing(library.store) as writer:
        writer.write_captions(
            [
                StoredCaption(number, text, 0.8, sure, "mini", "ab", "float32", "", "{}")
                for number, text, sure in [(1, 'a "red" boat', True), (2, "a tree", True), (3, "a dog", False)]
            ]
        )
    return library


def alt_text(shelf: Any, *words: str) -> int:
    parser = parser_of("alt-text", ALT_TEXT)
    return ALT_TEXT.run(parser.parse_args(spoken(parser, [*words, "--library", str(shelf.store.path)])))


def test_lists_hold_the_sure_captions(shelf: Any, capsys: Any) -> None:
    assert alt_text(shelf) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["alt"] for row in rows] == ['a "red" boat', "a tree"] and rows[0]["path"].endswith("scene00.png")
    assert alt_text(shelf, "--json", "--unsure", "name:scene02") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["text"], found["sure"], found["image_id"]) == ("a dog", False, 3)
    assert alt_text(shelf, str(shelf.photos / "scene01.png"), "1") == 0
    assert [row["alt"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))] == ["a tree", 'a "red" boat']
    assert alt_text(shelf, "4") == 1
    with pytest.raises(UsageError, match="does not hold"):
        alt_text(shelf, str(shelf.photos / "scene09.png"))


def test_sidecars_are_shown_and_then_written(shelf: Any, capsys: Any) -> None:
    sidecar = shelf.photos / "scene00.png.xmp"
    assert alt_text(shelf, "--xmp", "1") == 0
    told = capsys.readouterr()
    assert told.out.startswith("new ") and "--yes" in told.err and not sidecar.exists()
    assert alt_text(shelf, "--xmp", "1", "--yes") == 0
    assert b"a &quot;red&quot; boat" in sidecar.read_bytes() or b'a "red" boat' in sidecar.read_bytes()
    before = sidecar.read_bytes()
    assert alt_text(shelf, "--xmp", "1", "--yes") == 0
    assert "has an alternative text" in capsys.readouterr().out and sidecar.read_bytes() == before


def test_sidecar_that_is_there_comes_back(shelf: Any, capsys: Any) -> None:
    sidecar = shelf.photos / "scene00.xmp"
    sidecar.write_bytes(KNOWN)
    assert alt_text(shelf, "--xmp", "--yes") == 0
    assert capsys.readouterr().err.startswith("2 sidecars written\nThe originals are in ")
    assert b"red" in sidecar.read_bytes() and sorted(path.suffix for path in shelf.photos.iterdir()).count(".bak") == 0
    assert alt_text(shelf, "--undo") == 0
    assert sidecar.read_bytes() == KNOWN and not (shelf.photos / "scene01.png.xmp").exists()
    assert alt_text(shelf, "--undo") == 1
    assert "nothing is to be brought back" in capsys.readouterr().err


def test_new_sidecars_go_away_again_unless_somebody_edited_them(shelf: Any, capsys: Any) -> None:
    first, second = shelf.photos / "scene00.png.xmp", shelf.photos / "scene01.png.xmp"
    assert alt_text(shelf, "--xmp", "--yes") == 0
    told = capsys.readouterr().err
    run = told.split("--undo ")[1].split()[0]
    assert told.startswith("2 sidecars written\nTake it back: imgsearch alt-text --undo ")
    second.write_bytes(second.read_bytes() + b" ")
    assert alt_text(shelf, "--undo", run) == 0
    told = capsys.readouterr().out
    assert "1 new sidecar is taken away" in told and f"stays: {second}: it was edited since" in told
    assert not first.exists() and second.exists()
    assert alt_text(shelf, "--undo") == 1


def test_sidecars_of_a_killed_run_go_away(shelf: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Killed when the first was written: their list was there before them."""

    def write_one(target: Path, content: bytes) -> None:
        if target.suffix == ".xmp" and list(shelf.photos.glob("*.xmp")):
            raise KeyboardInterrupt
        write_whole(target, content)

    monkeypatch.setattr("imgsearch.dedup.quarantine.new_files.write_whole", write_one)
    with pytest.raises(KeyboardInterrupt):
        alt_text(shelf, "--xmp", "--yes")
    monkeypatch.undo()
    assert len(list(shelf.photos.glob("*.xmp"))) == 1
    assert alt_text(shelf, "--undo") == 0
    assert not list(shelf.photos.glob("*.xmp"))


def test_pictures_are_shown_written_and_brought_back(shelf: Any, capsys: Any) -> None:
    paths = [shelf.photos / f"scene0{number}.png" for number in range(3)]
    before = [path.read_bytes() for path in paths]
    twin = shelf.photos / "twin.png"
    twin.hardlink_to(paths[1])
    assert alt_text(shelf, "--into-pictures") == 0
    told = capsys.readouterr()
    assert [line.split()[0] for line in told.out.splitlines()] == ["write", "leave"] and "2 names" in told.out
    assert "--yes" in told.err and [path.read_bytes() for path in paths] == before
    assert alt_text(shelf, "--into-pictures", "--yes") == 0
    assert "1 pictures written" in capsys.readouterr().err
    with Image.open(paths[0]) as new, Image.open(io.BytesIO(before[0])) as old:
        assert new.tobytes() == old.tobytes() and "boat" in new.info["XML:com.adobe.xmp"]
    assert [path.read_bytes() for path in paths[1:]] == before[1:]
    assert alt_text(shelf, "--into-pictures", "--yes") == 0
    assert "has changed since it was indexed" in capsys.readouterr().out
    assert alt_text(shelf, "--undo") == 0
    assert [path.read_bytes() for path in paths] == before


def test_person_is_asked_on_a_terminal(shelf: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for answer, expected in (("no", False), ("yes", True)):
        monkeypatch.setattr("sys.stdin", Terminal(f"{answer}\n"))
        if expected:
            assert alt_text(shelf, "--xmp", "1") == 0
        else:
            with pytest.raises(UsageError, match="nothing was written"):
                alt_text(shelf, "--xmp", "1")
        assert (shelf.photos / "scene00.png.xmp").exists() == expected


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_page_is_shown_and_then_written_with_its_original_kept(shelf: Any, capsys: Any) -> None:
    page: Path = shelf.photos / "page.html"
    content = '<p><img src="scene00.png"><img src="scene02.png"><img src="scene09.png" alt="mine">'
    page.write_text(content)
    assert alt_text(shelf, "--html", str(page)) == 0
    assert page.read_text() == content and "no caption" in capsys.readouterr().out
    assert alt_text(shelf, "--html", str(page), "--yes") == 0
    assert page.read_text() == content.replace('src="scene00', 'alt="a &quot;red&quot; boat" src="scene00')
    assert (shelf.photos / "page.html.bak").read_text() == content
    with pytest.raises(UsageError, match="cannot be read"):
        alt_text(shelf, "--html", "gone.html")
    with pytest.raises(UsageError, match="reads them from the page"):
        alt_text(shelf, "1", "--html", str(page))
