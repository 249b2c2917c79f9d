"""Fixtures of the web room: a small library behind the app (colour_shelf.py)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from colour_shelf import NAMES, Shelf, build


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """Not to be changed by a test."""
    made = build(tmp_path_factory.mktemp("shelf"))
    yield made
    made.service.close()


@pytest.fixture
def make_shelf(tmp_path: Path) -> Iterator[Callable[..., Shelf]]:
    """Makes one that a test may change: ``make_shelf(names, **searcher options)``."""
    made: list[Shelf] = []

    def make(names: Sequence[str] = NAMES, **options: Any) -> Shelf:
        made.append(build(tmp_path / str(len(made)), names, **options))
        return made[-1]

    yield make
    for shelf in made:
        shelf.service.close()
