from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from imgsearch.cli import main
from imgsearch.cli.output.deliver import deliver
from imgsearch.cli.output.terminal import linked, shown

TEXT = "a blue house to the left of a white boat"


@pytest.fixture
def indexed(library: Any) -> Any:
    library.add(library.names(6))
    return library


def search(library: Any, *arguments: str) -> int:
    return main(["search", *arguments, "--library", str(library.folder / "library"), "--device", "cpu"])


def test_json_has_the_promised_form(indexed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert search(indexed, TEXT, "--json", "-k", "4", "--rerank", "2") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["query"] == TEXT
    assert set(answer["took_ms"]) >= {"load", "embed", "search", "rerank", "total"}
    assert [set(hit) for hit in answer["hits"]] == [
        {"rank", "path", "image_id", "itc", "itm_logit", "itm_probability", "confident", "words"}
    ] * 4
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2, 3, 4]
    assert [hit["itm_logit"] is None for hit in answer["hits"]] == [False, False, True, True]
    assert all(Path(hit["path"]).is_file() for hit in answer["hits"])


def test_words_need_no_quotes_and_all_forms_agree(indexed: Any, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    search(indexed, *TEXT.split(), "--json")
    expected = [hit["path"] for hit in json.loads(capsysbinary.readouterr().out)["hits"]]
    search(indexed, TEXT, "--paths")
    assert capsysbinary.readouterr().out.decode().splitlines() == expected
    search(indexed, TEXT, "--null")
    assert capsysbinary.readouterr().out.decode().split("\0") == [*expected, ""]
    search(indexed, TEXT)
    table = capsysbinary.readouterr().out.decode()
    assert [line.split()[-1] for line in table.splitlines()[1:7]] == expected
    assert "\x1b" not in table  # no links where the output is no terminal


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["?!..."], "holds no word"),
        ([""], "the query is empty"),
        (["🐈"], "holds no word"),
        (["cat", "-k", "0"], "got k = 0"),
        (["cat", "--rerank", "-7"], "got rerank = -7"),
        (["-", "is:square"], "reads the whole query from standard input"),
        (["folder:", "cat"], "no value follows folder:"),
    ],
)
def test_bad_input_exits_2_with_one_clear_message(
    library: Any, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(library, *arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert complaint in captured.err
    assert "Traceback" not in captured.err


def test_a_missing_library_exits_2_and_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "cat", "--library", str(tmp_path / "nowhere")]) == 2
    error = capsys.readouterr().err
    assert "nowhere" in error and "imgsearch index" in error


def test_another_model_than_the_librarys_exits_2(
    indexed: Any, tiny: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split = Path(__file__).parents[1] / "golden" / "lavis" / "split" / "blip2_tiny.pth"
    assert search(indexed, "cat", "--model", str(split)) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_nothing_found_exits_1(library: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert search(library, "cat") == 1
    assert "nothing found" in capsys.readouterr().err
    assert search(library, "cat", "--json") == 1
    assert json.loads(capsys.readouterr().out)["hits"] == []


def test_a_page_behind_the_last_answer_says_so(indexed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert search(indexed, TEXT, "--page", "99") == 1
    assert "page 99 lies behind the last answer" in capsys.readouterr().err


def test_a_strange_file_name_prints_safely(library: Any, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    name = os.fsdecode(b"odd\n\x1b[31m\xff.png")
    try:
        (library.photos / "scene00.png").rename(library.photos / name)
    except OSError:
        pytest.skip("this file system takes no such name")
    library.add([name])
    assert search(library, "cat") == 0
    shown_table = capsysbinary.readouterr().out
    assert rb"odd\n\x1b[31m\xff.png" in shown_table and b"\x1b" not in shown_table
    assert search(library, "cat", "--null") == 0
    assert capsysbinary.readouterr().out.endswith(b"odd\n\x1b[31m\xff.png\0")
    assert search(library, "cat", "--json") == 0
    path = json.loads(capsysbinary.readouterr().out)["hits"][0]["path"]
    assert os.fsencode(path).endswith(b"odd\n\x1b[31m\xff.png")
    assert search(library, "cat", "--paths") == 0
    assert b"--null" in capsysbinary.readouterr().err


def test_copies_and_links_never_overwrite(indexed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    out = indexed.folder / "out"
    out.mkdir()
    (out / "scene00.png").write_text("mine")
    for _ in range(2):  # the second time finds its own copies
        assert search(indexed, TEXT, "--copy-to", str(out)) == 0
        assert (out / "scene00.png").read_text() == "mine"
        assert sorted(path.name for path in out.iterdir()) == [
            "scene00 (2).png", *indexed.names(6)
        ]  # fmt: skip
    assert (out / "scene00 (2).png").read_bytes() == (indexed.photos / "scene00.png").read_bytes()
    links = indexed.folder / "links"
    assert search(indexed, TEXT, "-k", "2", "--link-to", str(links)) == 0
    assert all(path.is_symlink() and path.resolve().parent == indexed.photos for path in links.iterdir())
    assert len(list(links.iterdir())) == 2


def test_deliver_tells_two_files_of_one_name_apart_and_reports_what_is_gone(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.jpg").write_text(folder)
    paths = [tmp_path / "a" / "x.jpg", tmp_path / "gone.jpg", tmp_path / "b" / "x.jpg"]
    made, lost = deliver(paths, tmp_path / "out", link=False)
    assert [path.name for path in made] == ["x.jpg", "x (2).jpg"]
    assert [path.read_text() for path in made] == ["a", "b"]
    assert len(lost) == 1 and "gone.jpg" in lost[0]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["x (2).jpg", "x.jpg"]


def test_deliver_into_a_file_is_an_error_of_ours(
    indexed: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert search(indexed, TEXT, "--copy-to", str(tmp_path / "file")) == 2
    assert "is a file, expected a folder" in capsys.readouterr().err


def test_paths_are_links_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path("/pictures/a b\n.png")
    assert linked(path) == shown(path) == "/pictures/a b\\n.png"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert linked(path) == "\x1b]8;;file:///pictures/a%20b%0A.png\x1b\\/pictures/a b\\n.png\x1b]8;;\x1b\\"


def test_search_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, imgsearch.cli as c\nfrom imgsearch.cli.verb_table import TABLE\n"
        "try: c.run(['search', '--help'])\n"
        "except SystemExit: pass\n"
        "for verb in ('eval', 'stats'):\n"
        "    TABLE[verb].load()\n"
        "print([m for m in ('torch', 'numpy', 'sqlalchemy', 'PIL', 'tqdm') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
