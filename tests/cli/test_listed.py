"""Paths and queries through standard input; pictures shown with the desktop's program."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from imgsearch.cli.listed import listed_paths, listed_texts
from imgsearch.cli.output.desktop import MOST, open_images
from imgsearch.cli.verbs.search import _words
from imgsearch.errors import UsageError


def put_in(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


@pytest.mark.parametrize(
    ("data", "paths"),
    [
        (b"/a/b.jpg\n/c d/e.jpg\n", ["x", "/a/b.jpg", "/c d/e.jpg"]),
        (b"/a/b.jpg\r\n\r\n/c.jpg", ["x", "/a/b.jpg", "/c.jpg"]),
        (b"/a\nb.jpg\0/c.jpg\0", ["x", "/a\nb.jpg", "/c.jpg"]),
        (b"/a\xff.jpg\n", ["x", "/a\udcff.jpg"]),
        (b"\xef\xbb\xbf/a.jpg\r\n", ["x", "/a.jpg"]),
    ],
)
def test_a_dash_stands_for_the_paths_of_standard_input(
    data: bytes, paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in(data, monkeypatch)
    assert listed_paths(["x", "-"]) == paths
    assert listed_paths(["x"]) == ["x"]


def test_an_empty_standard_input_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    put_in(b"\n \n", monkeypatch)
    with pytest.raises(UsageError, match="no path"):
        listed_paths(["-"])


def test_a_dash_alone_reads_the_query(monkeypatch: pytest.MonkeyPatch) -> None:
    put_in(b"ein rotes Boot\nis:square\n", monkeypatch)
    assert _words(["-"]) == ["ein rotes Boot\nis:square"]
    assert _words(["a", "-"]) == ["a", "-"]


@pytest.fixture
def desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A stand-in for the desktop's program, which notes what it is given."""
    said = tmp_path / "said"
    for name in ("xdg-open", "open"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "$1" >> {said}\ncase "$1" in *bad*) exit 3;; esac\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return SimpleNamespace(said=said, folder=tmp_path)


def test_pictures_are_opened_one_by_one(desktop: SimpleNamespace) -> None:
    assert open_images([Path("/x/a b.jpg"), Path("/x/-c.jpg")]) == []
    assert desktop.said.read_text() == "/x/a b.jpg\n/x/-c.jpg\n"
    (lost,) = open_images([Path("/x/bad.jpg")])
    assert "bad.jpg was not opened" in lost and "code 3" in lost


def test_only_so_many_pictures_are_opened(desktop: SimpleNamespace) -> None:
    (lost,) = open_images([Path(f"/x/{number}.jpg") for number in range(MOST + 3)])
    assert f"first {MOST}" in lost and len(desktop.said.read_text().splitlines()) == MOST


def test_a_missing_program_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (lost,) = open_images([Path("/x/a.jpg")])
    assert "no program that opens pictures" in lost


@pytest.mark.parametrize(
    "data", [b"\xef\xbb\xbfwhat?\r\n\r\n  why not? \r\n", b"what?\nwhy not?", b"what?\rwhy not?\r"]
)
def test_texts_come_from_a_file_with_any_line_ends(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    assert listed_texts(tmp_path / "a.txt") == ["what?", "why not?"]


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"what?\nwas gibt's f\xfcr Neues?\n", "line 2 holds the byte 0xfc"),
        ("what?".encode("utf-16"), "UTF-16"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "no text at all"),
        (b"\n \r\n", "holds no text"),
        (None, "cannot be read"),
    ],
)
def test_file_that_holds_no_texts_is_told(tmp_path: Path, data: bytes | None, word: str) -> None:
    if data is not None:
        (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(UsageError, match=word):
        listed_texts(tmp_path / "a.txt")
