"""Libraries of made-up vectors and a collection in the client's local mode."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

pytest.importorskip("qdrant_client", reason="the extra qdrant is not installed: pip install 'imgsearch[qdrant]'")


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[object]:
    """A library of 300 images."""
    from qdrant_shelf import Shelf

    made = Shelf(tmp_path)
    made.add(300)
    yield made
    made.store.close()


@pytest.fixture
def points() -> Iterator[object]:
    """An absent collection."""
    from qdrant_shelf import local_points

    made = local_points()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request is tried again at once, and a request is small."""
    from imgsearch.index.qdrant import push

    monkeypatch.setattr(push, "FIRST_WAIT_S", 0.0)
    monkeypatch.setattr(push, "CHUNK", 32)
