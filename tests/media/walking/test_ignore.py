"""gitignore rules, held to the git program where there is one."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgsearch.media.walking.ignore import IGNORE_FILE, IgnoreList, decide, parse_lines, read_ignore_file
from imgsearch.media.walking.pass_rules import Chain
from imgsearch.media.walking.wildmatch import wildmatch

NAMES = ["a", "b", "ab", "a b", "foo", "bar", ".h", "x.png", "y.PNG", "[a]", "a]", "!x", "#c", "é", "a*b", "a\\b"]
NAMES += ["-", "foobar", "1", "Z", "a.b.c", "t "]
ATOMS = ["a", "b", "foo", "bar", "*", "**", "?", "/", "/", "[ab]", "[!a]", "[^a-c]", "[[:alpha:]]", "[[:upper:]]"]
ATOMS += ["[]a]", "[a", "\\", "\\*", "\\ ", " ", "!", "#", ".png", "*.png", "é", "[é]", "[a-", "[z-a]", "[\\]a]"]
ATOMS += ["[a\\-z]", "[/]", "\t", "***", "**/", "/**", "x", "[[:bad:]]", "[[:punct:]]", "[--1]", "[a-c-e]", ".h"]


def make_tree(root: Path, rng: random.Random) -> list[Path]:
    for _ in range(120):
        folder = root.joinpath(*(rng.choice(NAMES) for _ in range(rng.randint(0, 3))))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / rng.choice(NAMES)).touch()
        except OSError:  # a file is in the way
            continue
    return [path for path in root.rglob("*") if path.is_dir() and ".git" not in path.parts]


def lists(rng: random.Random) -> bytes:
    lines = []
    for _ in range(rng.randint(1, 4)):
        lines.append(
            ("!" if rng.random() < 0.25 else "") + "".join(rng.choice(ATOMS) for _ in range(rng.randint(1, 5)))
        )
    return (("\ufeff" if rng.random() < 0.2 else "") + rng.choice(["\n", "\r\n"]).join(lines)).encode()


def kept(root: Path, folder: Path, chain: Chain) -> set[str]:
    """What is left of ``folder``, walked as git walks."""
    own = read_ignore_file(str(folder), "")
    chain = (own, *chain) if own else chain
    found: set[str] = set()
    for path in folder.iterdir():
        decision = decide(chain, str(path), folder=path.is_dir())
        if path.name in (".git", ".gitignore", IGNORE_FILE) or (decision is not None and decision.excluded):
            continue
        found |= kept(root, path, chain) if path.is_dir() else {str(path.relative_to(root))}
    return found


@pytest.mark.skipif(shutil.which("git") is None, reason="the git program is not there to compare with")
def test_rules_are_those_of_the_git_program_on_drawn_patterns(tmp_path: Path) -> None:
    rng = random.Random(20261127)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    folders = make_tree(tmp_path, rng)
    command = ["git", "-c", "core.ignorecase=false", "ls-files", "-z", "-o", f"--exclude-per-directory={IGNORE_FILE}"]
    for _ in range(80):
        said = [tmp_path, *rng.sample(folders, rng.randint(0, 2))]
        for folder in said:
            (folder / IGNORE_FILE).write_bytes(lists(rng))
        told = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout.split(b"\0")
        expected = {os.fsdecode(path) for path in told if path and not path.endswith(IGNORE_FILE.encode())}
        texts = {str(folder): (folder / IGNORE_FILE).read_bytes() for folder in said}
        assert kept(tmp_path, tmp_path, ()) == expected, texts
        for folder in said:
            (folder / IGNORE_FILE).unlink()


@pytest.mark.parametrize(
    ("fits", "text", "pattern"),
    [
        (1, "holiday", "***"),
        (0, "abc", "?b"),
        (1, "2]3", "2[]]3"),
        (0, "trips/rome", "trips*rome"),
        (0, "trips/rome", "trips**rome"),
        (1, "trips/2019/rome", "trips/**/**/rome"),
        (1, "trips/rome", "trips/**/rome"),
        (0, "trips/rome", "trips?rome"),
        (1, "a/b/raw/one/x.dng", "**/raw/*/*"),
        (0, "trips", "trips/**"),
        (1, "[rt]", "[[:]rt]"),
        (1, "f", "[[:xdigit:]]"),
        (1, "+", "[[:digit:][:upper:][:punct:]]"),
        (0, "w", "[[:word:]]"),
        (1, "]", "[\\]]"),
        (1, ".", "[--/]"),
        (0, "/", "[--/]"),
        (0, "IMG_5", "IMG_[7-3]"),
        (0, "x", "[x"),
        (0, "x\\", "x\\"),
    ],
)
def test_wildmatch_reads_stars_and_brackets_as_gitignore_does(fits: int, text: str, pattern: str) -> None:
    assert wildmatch(pattern.encode(), text.encode(), pathname=True) == bool(fits)


@given(st.binary(max_size=60), st.text(max_size=12))
def test_no_line_raises_whatever_it_holds(content: bytes, name: str) -> None:
    path = "/base/" + name.replace("\0", "")
    decide([IgnoreList("/base", parse_lines(content), "")], path.encode("utf-8", "replace").decode(), folder=False)


def test_pattern_of_very_many_stars_takes_no_time() -> None:
    assert wildmatch(b"*a" * 5000, b"a" * 9000, pathname=True)
    assert not wildmatch(b"*a" * 5000 + b"b", b"a" * 9000, pathname=True)
    assert not wildmatch(b"*a*a*a*a*a*a*a*a*b", b"a" * 250, pathname=False)


def excluded(content: bytes, *paths: str) -> list[bool]:
    found = [decide([IgnoreList("/r", parse_lines(content), "")], f"/r/{path}", folder=False) for path in paths]
    return [one is not None and one.excluded for one in found]


def test_file_as_windows_programs_write_it_is_read() -> None:
    for content in (b"\xef\xbb\xbf*.png\r\n", "\ufeff*.png\r\n".encode("utf-16-le"), "*.png\n".encode("utf-16")):
        assert excluded(content, "a.png", "a.jpg") == [True, False]


def test_spaces_at_the_end_go_and_escaped_ones_stay() -> None:
    assert excluded(b"a  ", "a", "a  ") == [True, False]
    assert excluded(b"a\\ ", "a", "a ") == [False, True]
    assert excluded(b"a\t", "a", "a\t") == [False, True]


def test_file_too_long_or_unreadable_is_an_error_and_a_folder_of_its_name_none(tmp_path: Path) -> None:
    assert read_ignore_file(str(tmp_path), "") is None
    (tmp_path / IGNORE_FILE).mkdir()
    assert read_ignore_file(str(tmp_path), "") is None
    (tmp_path / IGNORE_FILE).rmdir()
    os.mkfifo(tmp_path / IGNORE_FILE)
    assert read_ignore_file(str(tmp_path), "") is None
    (tmp_path / IGNORE_FILE).unlink()
    (tmp_path / IGNORE_FILE).write_bytes(b"a\n" * (1 << 20))
    with pytest.raises(ValueError, match="longer"):
        read_ignore_file(str(tmp_path), "")
