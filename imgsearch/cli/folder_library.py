"""A folder without a library, for commands that need one: a temporary library, kept so that a second run is quick."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.errors import ImgsearchError, UsageError

if TYPE_CHECKING:
    from imgsearch.storage import Store

MODEL = "mini"
"""The model of a temporary library unless another is asked for: only near copies ask for vectors, and what these name
is compared pixel by pixel before it counts."""


@contextlib.contextmanager
def opened_library(arguments: argparse.Namespace, folders: Sequence[str] = ()) -> Iterator[Store]:
    """The library that ``--library`` names, or that the settings name; or, where ``folders`` are given, a temporary one
    of just these, brought up to date first. Raises UsageError for both at once and for folders that are not there."""
    from imgsearch.library import open_store
    from imgsearch.settings import load_settings

    if folders and arguments.library:
        raise UsageError(
            f"received folders and --library {arguments.library}, expected one of the two",
            "leave --library out to look at folders, or index them into the library first",
        )
    library = _indexed(folders, arguments) if folders else arguments.library
    with open_store(load_settings({"library": library})) as store:
        yield store


def temporary_library(folders: Sequence[str], model: str) -> Path:
    """Where the temporary library of these folders lies: in the user's data folder, not in the cache, because an apply
    keeps its quarantine there."""
    import platformdirs

    named = "\0".join([model, *sorted(map(os.path.realpath, folders))])
    digest = hashlib.sha256(os.fsencode(named)).hexdigest()[:16]
    return Path(platformdirs.user_data_dir("imgsearch", appauthor=False)) / "folders" / digest


def _indexed(folders: Sequence[str], arguments: argparse.Namespace) -> Path:
    from imgsearch.cli.main import run
    from imgsearch.cli.terminal import shown

    for folder in folders:
        if not Path(folder).exists():
            raise UsageError(f"there is no folder {shown(folder)}", "name a folder of pictures")
    library = temporary_library(folders, arguments.model or MODEL)
    command = ["index", *folders, "--library", str(library), "--model", arguments.model or MODEL, "--features", "none"]
    told = io.StringIO() if arguments.quiet else sys.stderr
    print(f"Reading the pictures (what is read is kept in {shown(library)}) ...", file=told)
    with contextlib.redirect_stdout(told):  # standard output is for the answer
        code = run([*command, *([] if sys.stderr.isatty() and not arguments.quiet else ["--quiet"])])
    if code == 130:  # stopped, and said so
        raise KeyboardInterrupt
    if code not in (0, 3):  # 3: some files are no pictures, which the report says
        raise ImgsearchError(f"reading the pictures ended with code {code}", "run the same command again to go on")
    return library
