"""imgsearch show: all facts of a picture with their sources, with a library and without."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from imgsearch.cli import main
from imgsearch.storage import StoredCaption, open_store, writing
from imgsearch.storage.catalog.texts.image_texts import StoredText, TextLine


@pytest.fixture
def picture(tmp_path, monkeypatch):
    monkeypatch.setenv("IMGSEARCH_LIBRARY", str(tmp_path / "library"))
    block = Image.Exif()
    block.update({0x010F: "ACME", 0x9003: "2015:08:22 24:08:19", 0x4746: 3, 0x010E: "at the lake"})
    path = tmp_path / "pictures" / "a.jpg"
    path.parent.mkdir()
    Image.new("RGB", (40, 30), "red").save(path, exif=block)
    return path


def shown(capsys, *arguments) -> dict:
    capsys.readouterr()
    assert main(["show", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_picture_is_shown_without_a_library(picture, capsys):
    found = shown(capsys, picture)
    assert (found["taken_at"], found["taken_source"]) == ("2015-08-22T00:08:19", "exif")
    assert (found["rating"], found["rating_source"], found["camera"]) == (3, "exif", "ACME")
    assert (found["width"], found["height"], found["format"], found["library"]) == (40, 30, "JPEG", None)
    assert found["words"] == [{"kind": "caption", "text": "at the lake", "source": "exif"}]
    assert main(["show", str(picture)]) == 0
    assert "2015-08-22 00:08:19 (EXIF)" in capsys.readouterr().out


def test_what_libtiff_says_of_a_flaw_is_not_shown(tmp_path, monkeypatch, capfd):
    """A strip of which half is noise: libtiff writes a line for every code word that it does not know."""
    monkeypatch.setenv("IMGSEARCH_LIBRARY", str(tmp_path / "library"))
    path = tmp_path / "fax.tif"
    Image.effect_noise((400, 300), 90).convert("1").save(path, compression="group3")
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 2] = b"\xa5" * (len(data) // 2 - len(data) // 3)
    path.write_bytes(data)
    code = main(["show", str(path)])
    captured = capfd.readouterr()
    assert "Fax3" not in captured.err and f"{path}" in captured.out + captured.err and code in (0, 3)
    assert main(["show", str(tmp_path / "none.tif")]) == 2
    assert "cannot be read" in capfd.readouterr().err  # standard error is back


def test_its_library_and_its_sidecars_are_told(picture, capsys):
    notes = {"photoTakenTime": {"timestamp": "1563117012"}, "geoData": {"latitude": 48.1, "longitude": 2.0}}
    beside = picture.with_name("a.jpg.json")
    beside.write_text(json.dumps(notes))
    broken = picture.with_name("b.jpg")
    broken.write_bytes(b"\xff\xd8\xff")
    assert main(["index", str(picture.parent), "--model", "none", "--quiet"]) == 3
    found = shown(capsys, picture)
    assert (found["latitude"], found["place_source"], found["sidecars"]) == (48.1, "takeout", [str(beside)])
    assert (found["library"]["indexed"], found["library"]["files"]) == (True, [str(picture)])
    assert shown(capsys, found["library"]["image_id"])["path"] == str(picture)
    assert main(["show", str(broken), "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["failure"]["reason"] == told["library"]["failure"]["reason"]
    assert told["taken_source"] == "file"


@pytest.mark.parametrize("name", ["absent.jpg", "", "99"])
def test_what_is_no_picture_is_refused_in_one_sentence(picture, capsys, name):
    assert main(["show", str(picture.parent / name)]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_file_that_is_no_picture_gives_its_error_only(picture, capsys):
    text = picture.with_name("IMG_20190714_153012.txt")
    text.write_text("no picture")
    assert main(["show", str(text)]) == 3
    captured = capsys.readouterr()
    assert captured.out == "" and "the file is a text file" in captured.err


def test_picture_that_is_cut_off_gives_its_error_only(picture, capsys, monkeypatch):
    """Also one that the library knows as failed, and between others."""
    cut = picture.with_name("IMG_20190714_153012.jpg")
    cut.write_bytes(picture.read_bytes()[:-200])
    assert main(["index", str(picture.parent), "--model", "none", "--quiet"]) == 3
    capsys.readouterr()
    assert main(["show", str(cut)]) == 3
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert f"{cut} is not shown: " in captured.err and "--json" in captured.err
    assert main(["show", str(cut), str(picture), str(cut), str(picture)]) == 3
    first, second = capsys.readouterr().out.split("\n\n")
    assert first.startswith("file  ") and f"{first}\n" == second
    assert main(["show", str(cut), "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["camera"] == "ACME"


def test_words_that_were_read_in_it_are_shown(picture, tmp_path, capsys):
    assert main(["index", str(picture.parent), "--model", "none", "--quiet"]) == 0
    assert shown(capsys, picture)["library"]["words_read"] is None
    box = (0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0)
    lines = tuple(TextLine(f"line {number}", box, 0.9, ()) for number in range(14))
    with open_store(tmp_path / "library") as store, writing(store) as writer:
        writer.write_texts([StoredText(1, lines, "reader 1", "f")])
    assert shown(capsys, picture)["library"]["words_read"][13] == "line 13"
    assert main(["show", "1"]) == 0
    out = capsys.readouterr().out
    assert "read in it line 11\nread in it ... and 2 more (--json shows all)\n" in out and "line 12" not in out


def test_its_caption_is_shown_with_its_belief(picture, tmp_path, capsys):
    assert main(["index", str(picture.parent), "--model", "none", "--quiet"]) == 0
    with open_store(tmp_path / "library") as store, writing(store) as writer:
        writer.write_captions([StoredCaption(1, "a red boat", 0.834, True, "mini", "ab", "float32", "", "{}")])
    assert shown(capsys, picture)["library"]["caption"]["text"] == "a red boat"
    assert main(["show", "1"]) == 0
    assert "generated  a red boat (83 %, by mini)" in capsys.readouterr().out
    with open_store(tmp_path / "library") as store, writing(store) as writer:
        writer.write_captions([StoredCaption(1, "a cat", None, False, "mini", "ab", "float32", "", "{}")])
    assert main(["show", str(picture)]) == 0
    assert "a cat (unsure, not checked, by mini)" in capsys.readouterr().out


def test_names_come_from_standard_input(picture, capsys, monkeypatch):
    other = picture.with_name("b.png")
    Image.new("L", (20, 10)).save(other)
    names = f"{picture}\n{picture.parent / 'absent.jpg'}\n{other}\n".encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(names)))
    assert main(["show", "-", "--json"]) == 3
    captured = capsys.readouterr()
    assert [json.loads(line)["format"] for line in captured.out.splitlines()] == ["JPEG", "PNG"]
    assert "absent.jpg cannot be read" in captured.err


def test_the_orientation_of_a_sidecar_is_shown_with_its_source(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("IMGSEARCH_LIBRARY", str(tmp_path / "library"))
    path = tmp_path / "a.png"
    Image.new("RGB", (40, 30), "red").save(path)
    description = '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    path.with_suffix(".xmp").write_text(
        f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{description}</rdf:RDF>'
    )
    found = shown(capsys, path)
    assert (found["width"], found["height"], found["orientation"]) == (30, 40, 6)
    assert found["orientation_source"] == "sidecar"
    assert main(["show", str(path)]) == 0
    assert "orientation 6 (an XMP file beside it)" in capsys.readouterr().out
