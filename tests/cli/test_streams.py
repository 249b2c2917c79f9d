"""Standard streams that are closed or full: one sentence, the right code, no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = f"{sys.executable} -m imgsearch"


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


def test_a_search_into_a_full_disk_says_so(library: Any) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    library.add(library.names(2))
    where = library.folder / "library"
    for form in ("", "--json", "--paths", "--null"):
        done = shell(f"{PROGRAM} search a cat --all --library {where} {form} > /dev/full")
        assert done.returncode == 4 and "No space left on device" in done.stderr
