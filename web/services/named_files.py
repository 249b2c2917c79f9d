"""Which of an image's files an answer names: one that the query's ``folder:`` and ``name:`` ask for, if any."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from imgsearch import wordforms
from imgsearch.errors import UsageError
from imgsearch.records import Clause
from imgsearch.search.query.description import readable
from imgsearch.search.query.parser import parse
from imgsearch.storage.catalog.words import folder_fits, name_fits

Naming = Callable[[Path], bool]
"""Whether a path is one that the query asks for."""


def naming_of(text: str) -> Naming | None:
    """The rule of a query's filters about files; None where it has none or cannot be read."""
    try:
        clauses = parse(readable(text)).filters.clauses
    except UsageError:
        return None
    groups = [[one for one in clauses if one.name == name and not one.unwanted] for name in ("folder", "name")]
    groups = [group for group in groups if group]
    if not groups:
        return None
    return lambda path: all(any(_holds(clause, path) for clause in group) for group in groups)


def best_named(paths: Sequence[Path], naming: Naming | None) -> Path:
    """The first of ``paths`` that the query asks for, else the first."""
    return paths[0] if naming is None else next(filter(naming, paths), paths[0])


def _holds(clause: Clause, path: Path) -> bool:
    """As `imgsearch.storage.catalog.filters` compares, but for signs that are no words."""
    value = str(clause.value)
    pattern = any(mark in value for mark in "*?")
    if clause.name == "name":
        return name_fits(value, path.name) if pattern else wordforms.holds(path.name, value, unfinished=True)
    folder = str(path.parent)
    if pattern:
        return folder_fits(value, folder)
    if value.startswith(("/", "~")):
        return path.is_relative_to(os.path.normpath(os.path.expanduser(value)))  # noqa: PTH111  leaves ~nobody
    return wordforms.holds(folder, value)
