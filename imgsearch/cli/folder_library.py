"""A temporary library for folders that are in none, for commands that need one. It is kept, so that a second run is
quick."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.cli.output.progress import phases
from imgsearch.errors import UsageError
from imgsearch.records import MODEL_FREE

if TYPE_CHECKING:
    from imgsearch.progress import Progress
    from imgsearch.storage import Store

SMALL_MODEL = "mini"
"""The model of a temporary library if vectors are needed and no model is named."""

_BY_VECTORS = frozenset({"semantic"})
"""Tiers that need vectors. Near copies and bursts are also found by signatures, and use vectors if there are any."""


@contextlib.contextmanager
def opened_library(
    arguments: argparse.Namespace,
    folders: Sequence[str] = (),
    *,
    vectors: bool = True,
    progress: Progress | None = None,
) -> Iterator[Store]:
    """The library named by ``--library`` or the settings. If ``folders`` are given, a temporary library of exactly
    these, brought up to date first; it has no model unless ``--model`` names one or ``vectors`` are needed.

    Raises UsageError for both at once and for folders that do not exist, ModelMismatch if ``vectors`` are needed and
    the library has none, KeyboardInterrupt if reading was stopped, and whatever an index run raises.
    """
    from imgsearch.app import open_store
    from imgsearch.settings import load_settings

    if folders and arguments.library:
        raise UsageError(
            f"received folders and --library {arguments.library}, expected one of the two",
            "leave --library out to look at folders, or index them into the library first",
        )
    library = arguments.library
    if folders:
        library = read_folders(folders, model_for(arguments.model, vectors=vectors), arguments, progress)
    with open_store(load_settings({"library": library})) as store:
        if vectors:
            store.require_vectors()
        yield store


def needs_vectors(tiers: Collection[str]) -> bool:
    """Whether a search for these tiers compares vectors and so needs a library with a model."""
    return not _BY_VECTORS.isdisjoint(tiers)


def model_for(named: str | None, *, vectors: bool) -> str:
    """The model of a temporary library: the one that ``--model`` names, otherwise none unless ``vectors`` are needed.
    Raises UsageError if "none" is named and they are."""
    if named == MODEL_FREE and vectors:
        raise UsageError(
            "received --model none, expected a model: what was asked for compares vectors",
            f"leave --model out, or name one: --model {SMALL_MODEL}",
        )
    return named or (SMALL_MODEL if vectors else MODEL_FREE)


def temporary_library(folders: Sequence[str], model: str) -> Path:
    """The folder of the temporary library for these folders. It lies in the user's data folder instead of the cache,
    because an apply keeps its quarantine there. Each model has its own, so that those of older programs stay
    unchanged."""
    import platformdirs

    named = "\0".join([model, *sorted(map(os.path.realpath, folders))])
    digest = hashlib.sha256(os.fsencode(named)).hexdigest()[:16]
    return Path(platformdirs.user_data_dir("imgsearch", appauthor=False)) / "folders" / digest


def read_folders(
    folders: Sequence[str], model: str, arguments: argparse.Namespace, progress: Progress | None = None
) -> Path:
    """Bring the temporary library of ``folders`` up to date. Returns its folder. Progress goes to stderr unless
    ``--quiet``, or to ``progress`` if it is given. Raises as `opened_library` does."""
    from imgsearch.cli.output.terminal import shown
    from imgsearch.settings import load_settings
    from imgsearch.storage import library_exists
    from indexer.index_run import IndexRequest
    from indexer.service import read_folders as read_in

    for folder in folders:
        if not Path(folder).exists():
            raise UsageError(f"there is no folder {shown(folder)}", "name a folder of pictures")
    library = temporary_library(folders, model)
    # An existing library keeps the model it was made with, whatever the model's name meant to an older program.
    given = {"library": library, "model": "" if library_exists(library) else model, "features": "none"}
    with contextlib.nullcontext(progress) if progress else phases(arguments) as told:
        told.say(f"Reading the pictures (what is read is kept in {shown(library)}) ...")
        include = tuple(getattr(arguments, "include", None) or ())  # only some verbs have this option
        summary = read_in(IndexRequest(tuple(folders), load_settings(given), include=include), told)
        told.close()
        for line in summary.text().splitlines():
            told.say(line)
    return library
