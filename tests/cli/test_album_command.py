"""`imgsearch album`, `favourite`, `hide`, `unhide`, and the same from Python."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from imgsearch.albums.interface import KeepsAlbums
from imgsearch.cli.main import parser_of
from imgsearch.cli.parser import spoken
from imgsearch.cli.verb_table import TABLE
from imgsearch.errors import UsageError
from imgsearch.media.facts.sidecars import xmp_facts


@pytest.fixture
def shelf(library: Any) -> Any:
    library.add(library.names(4))
    return library


def run(shelf: Any, verb: str, *words: str) -> int:
    command = TABLE[verb].load()
    parser = parser_of(verb, command)
    given = [*words, "--library", str(shelf.store.path)]
    return command.run(parser.parse_args(spoken(parser, given) if command.words else given))


def told(shelf: Any, capsys: Any, *words: str) -> Any:
    capsys.readouterr()
    assert run(shelf, "album", *words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def ids(shelf: Any, query: str) -> list[int]:
    from imgsearch.search.query.parser import parse

    return shelf.store.matching_images(parse(query).filters).tolist()


def test_albums_from_the_command_line(shelf: Any, capsys: Any) -> None:
    with pytest.raises(UsageError, match="Make the album Rome 2019 of 2 pictures"):
        run(shelf, "album", "create", "Rome 2019", "name:scene0* -name:scene02 -name:scene03")
    assert run(shelf, "album", "create", "Rome 2019", "name:scene00", "--yes") == 0
    assert run(shelf, "album", "add", "rome 2019", "2", str(shelf.photos / "scene02.png")) == 0
    assert run(shelf, "album", "remove", "Rome 2019", "1", "3") == 0
    assert ids(shelf, 'album:"Rome 2019"') == [2]
    assert run(shelf, "album", "rename", "Rome 2019", "Roma") == 0
    assert [(one["name"], one["pictures"]) for one in told(shelf, capsys, "list")["albums"]] == [("Roma", 1)]
    with pytest.raises(UsageError, match="Delete the album Roma"):
        run(shelf, "album", "delete", "Roma")
    assert run(shelf, "album", "delete", "Roma", "--yes") == 0
    assert told(shelf, capsys, "list", "--deleted")["albums"][0]["name"] == "Roma"
    assert run(shelf, "album", "restore", "roma") == 0
    with pytest.raises(UsageError, match="no album 'Rma'") as caught:
        run(shelf, "album", "add", "Rma", "1")
    assert "Roma" in caught.value.hint
    with pytest.raises(UsageError, match="no picture with the id 99"):
        run(shelf, "album", "add", "Roma", "99")


def test_favourites_and_hidden_pictures_from_the_command_line(shelf: Any, capsys: Any) -> None:
    assert run(shelf, "favourite", "1", "2") == 0
    assert run(shelf, "favourite", "2", "3", "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"pictures": 2, "changed": [3]}
    assert run(shelf, "favourite", "--off", "1") == 0 and ids(shelf, "is:favourite") == [2, 3]
    assert run(shelf, "hide", "2") == 0 and ids(shelf, "is:favourite") == [3]
    with pytest.raises(UsageError, match="no picture was named"):
        run(shelf, "unhide")
    assert run(shelf, "unhide", "is:favourite", "--yes") == 0 and ids(shelf, "is:favourite") == [2, 3]
    assert run(shelf, "hide", "name:scene00", "--yes") == 0
    assert run(shelf, "unhide", "--all") == 0 and ids(shelf, "is:hidden") == []
    assert run(shelf, "favourite", "name:nothing", "--yes") == 1


def test_json_goes_out_and_comes_back(shelf: Any, tmp_path: Path, capsys: Any) -> None:
    run(shelf, "album", "create", "Rome", "1", "2")
    run(shelf, "favourite", "2")
    run(shelf, "hide", "4")
    file = tmp_path / "albums.json"
    assert run(shelf, "album", "export", "--to", str(file)) == 0
    document = json.loads(file.read_text())
    assert {one["path"][-11:] for one in document["albums"][0]["pictures"]} == {"scene00.png", "scene01.png"}
    run(shelf, "unhide", "4")
    run(shelf, "album", "delete", "Rome", "--yes")
    document["albums"][0]["pictures"][0]["sha256"] = "ab" * 32  # edited since: found by its path
    document["albums"][0]["pictures"].append({"sha256": "cd" * 32})
    file.write_text(json.dumps(document))
    assert told(shelf, capsys, "import", str(file)) == {"albums": 1, "pictures": 3, "elsewhere": 1}
    assert ids(shelf, "album:rome") == [1, 2] and ids(shelf, "is:hidden") == [4]
    bad = {"albums": [{"name": "a", "pictures": [{"sha256": 5}]}]}
    for wrong in ([], {}, document | {"version": 9}, document | bad, document | {"hidden": 1}):
        file.write_text(json.dumps(wrong))
        with pytest.raises(UsageError):
            run(shelf, "album", "import", str(file))


def test_sidecars_hold_keywords_that_this_program_reads_too(shelf: Any, tmp_path: Path, capsys: Any) -> None:
    run(shelf, "album", "create", "Rome & <2019>", "1", "2")
    run(shelf, "favourite", "2", "3")
    (shelf.photos / "scene02.png.xmp").write_text("not ours")
    with pytest.raises(UsageError, match="Write 2 sidecars"):
        run(shelf, "album", "export", "--xmp")
    assert run(shelf, "album", "export", "--xmp", "--yes") == 0
    assert (shelf.photos / "scene02.png.xmp").read_text() == "not ours"
    assert not (shelf.photos / "scene03.png.xmp").exists()
    found = xmp_facts((shelf.photos / "scene01.png.xmp").read_bytes())
    assert {word.text for word in found.words} >= {"Rome & <2019>", "Favourite"} and found.rating is None
    capsys.readouterr()
    assert run(shelf, "album", "export", "Rome & <2019>", "--xmp", "--to", str(tmp_path / "out"), "--yes") == 0
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.xmp")) == ["scene00.png.xmp", "scene01.png.xmp"]


def test_python_keeps_albums(shelf: Any, tmp_path: Path) -> None:
    class Open(KeepsAlbums):
        _searcher = type("Searcher", (), {"store": shelf.store})

    library = Open()
    library.create_album("Rome", [1, shelf.photos / "scene01.png"])
    assert library.add_to_album("rome", 3) == [3] and library.remove_from_album("Rome", [1, 4]) == [1]
    library.rename_album("Rome", "Roma")
    library.delete_album("Roma")
    assert library.restore_album("Roma").name == "Roma"
    assert [(album.name, album.images) for album in library.albums()] == [("Roma", 2)]
    assert library.favourite([1, 2]) == [1, 2] and library.favourite(2, on=False) == [2] and library.hide([4]) == [4]
    library.export_albums(tmp_path / "a.json")
    assert library.import_albums(tmp_path / "a.json").pictures == 0
    for wrong in (True, -1, 1.5, "nowhere.jpg", object(), b"x", 1 << 70, [b"x"]):
        with pytest.raises(UsageError):
            library.favourite(wrong)
    for wrong in (None, 5, b"Roma", ["Roma"]):
        for call in (library.create_album, library.delete_album, library.restore_album, library.import_albums):
            with pytest.raises(UsageError, match="expected a text"):
                call(wrong)
    for wrong in (None, 5, b"x", ""):
        with pytest.raises(UsageError, match="expected a text"):
            library.export_albums(wrong)


def test_verbs_are_described(capsys: Any) -> None:
    for verb in ("album", "favourite", "hide", "unhide"):
        assert importlib.import_module(TABLE[verb].place.partition(":")[0])
        assert TABLE[verb].load().summary == TABLE[verb].summary
