"""Standard streams that are closed or full: one sentence, the right code, no traceback."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

PROGRAM = f"{sys.executable} -m imgsearch"


@pytest.fixture
def where(library: Any, tiny_directory: Path, tmp_path: Path) -> Path:
    """A library of two pictures that is searched without torch."""
    from imgsearch.model import open_numpy
    from imgsearch.storage import create_store

    light = open_numpy(tiny_directory, "cpu")
    assert light is not None
    folder = tmp_path / "light"
    with create_store(folder / "library", light.model_id) as store:
        (folder / "photos").symlink_to(library.photos)
        replace(library, folder=folder, model=light, store=store).add(library.names(2))
    return folder / "library"


def shell(command: str, *, unbuffered: str = "") -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment, timeout=120)
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    return done


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("where", "why"), [("> /dev/full", "No space left on device"), (">&-", "standard output is closed")]
)
@pytest.mark.parametrize("verb", ["--help", "search --help", "--version"])
def test_output_that_cannot_be_written_exits_4_with_a_sentence(
    verb: str, where: str, why: str, unbuffered: str
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    done = shell(f"{PROGRAM} {verb} {where}", unbuffered=unbuffered)
    assert done.returncode == 4
    assert done.stderr == f"imgsearch: the answer cannot be written: {why}\n"


@pytest.mark.parametrize("where", ["2>&-", "2> /dev/full", "<&- 2>&-"])
def test_errors_that_cannot_be_written_keep_the_code(where: str, tmp_path: Path) -> None:
    done = shell(f"{PROGRAM} stats --library {tmp_path}/none {where}")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


def test_a_closed_descriptor_is_not_given_to_a_file(tmp_path: Path) -> None:
    done = shell(f"{PROGRAM} serach <&- >&- 2>{tmp_path}/said; echo $?; cat {tmp_path}/said")
    assert done.stdout.startswith("2\n") and "did you mean" in done.stdout


def test_a_closed_reader_is_no_error(tmp_path: Path) -> None:
    done = shell(f"set -o pipefail; {PROGRAM} --help | true; echo $?")
    assert done.stdout == "0\n" and done.stderr == ""


def test_a_search_into_a_full_disk_says_so(where: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    for form in ("", "--null"):  # text, and bytes
        done = shell(f"{PROGRAM} search a cat --all --library {where} {form} > /dev/full")
        assert done.returncode == 4 and "No space left on device" in done.stderr


def on_a_terminal(*words: str, term: str = "xterm") -> bytes:
    """All that a command shows where its three streams are a terminal."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": term}
    command = [sys.executable, "-m", "imgsearch", *words]
    process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    shown = b""
    while True:
        try:
            block = os.read(leader, 4096)
        except OSError:  # the other side is closed
            break
        if not block:
            break
        shown += block
    os.close(leader)
    assert process.wait(60) in (0, 1, 2)
    return shown


def test_a_terminal_shows_at_once_what_starts_and_takes_it_away(where: Path) -> None:
    shown = on_a_terminal("stats", "--library", str(where))
    assert shown.startswith(b"imgsearch stats ...\r\x1b[K") and shown.count(b"\x1b[K") == 1
    search = on_a_terminal("search", "a cat", "--all", "--library", str(where), "--device", "cpu")
    assert search.startswith(b"imgsearch search ...") and b"searching (3 of 3) ..." in search
    assert b"\r\x1b[Krank" in search


def test_a_terminal_that_takes_nothing_back_shows_no_signs(tmp_path: Path) -> None:
    shown = on_a_terminal("stats", "--library", str(tmp_path / "none"), term="dumb")
    assert shown.startswith(b"imgsearch: there is no library") and b"\x1b" not in shown


def test_a_redirected_search_shows_no_signs(where: Path) -> None:
    done = shell(f"{PROGRAM} search a cat --all --library {where} --device cpu")
    assert done.returncode == 0 and done.stderr == "" and done.stdout.startswith("rank")


def test_without_chatter_silences_libraries_and_lets_the_command_speak() -> None:
    program = (
        "import logging, os, signal, sys, warnings\n"
        "from imgsearch.cli.output.streams import guard_streams, without_chatter\n"
        "from indexer.interrupt import Stop\n"
        "guard_streams()\n"
        "with Stop() as stop, without_chatter():\n"
        "    os.write(2, b'libtiff: chatter\\n')\n"
        "    warnings.warn('chatter')\n"
        "    logging.getLogger('a library').warning('chatter')\n"
        "    print('cut.jpg cannot be read', file=sys.stderr)\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "os.write(2, b'afterwards\\n')\n"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert finished.stderr.split("\n") == [
        "cut.jpg cannot be read",
        "",
        "Stopping after the batch in flight. Once more: stop at once.",
        "afterwards",
        "",
    ]


@pytest.mark.parametrize("place", ["imgsearch.cli", "imgsearch.cli.verbs.library"])
@pytest.mark.parametrize("how", ["press()", "Dropped()"])
def test_ctrl_c_at_the_start_is_one_line(place: str, how: str) -> None:
    """Also where Python ignores a KeyboardInterrupt, as in callbacks of its import system."""
    program = (
        "import signal, sys\n"
        "def press(*_): signal.raise_signal(signal.SIGINT)\n"
        "class Dropped: __del__ = press\n"
        "class Keys:\n"
        f"    def find_spec(self, name, *_): {how} if name == {place!r} else None\n"
        "sys.meta_path.insert(0, Keys())\n"
        "from imgsearch.__main__ import main\n"
        "sys.argv = ['imgsearch', 'stats', '--library', '/nonexistent']\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "imgsearch: stopped\n")
