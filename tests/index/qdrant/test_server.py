"""A real server, where IMGSEARCH_QDRANT_URL names one (and IMGSEARCH_QDRANT_API_KEY its key). Makes a collection of its
own and deletes it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from qdrant_shelf import Shelf, texts

from imgsearch.index import ExactIndex, SnapshotIndex
from imgsearch.index.qdrant import QdrantAddress, connect, push_library
from imgsearch.index.qdrant.first_stage import QdrantFirstStage
from imgsearch.storage import compact

URL = os.environ.get("IMGSEARCH_QDRANT_URL", "")

pytestmark = pytest.mark.skipif(not URL.startswith("http"), reason="IMGSEARCH_QDRANT_URL names no server")


@pytest.fixture(params=["float16", "turbo8"])
def served(request: pytest.FixtureRequest) -> Iterator[tuple[Any, str]]:
    key = os.environ.get("IMGSEARCH_QDRANT_API_KEY")
    points = connect(QdrantAddress(URL, api_key=key, shards=2), f"imgsearch-test-{uuid.uuid4().hex[:8]}")
    yield points, request.param
    if points.form() is not None:
        points.drop()
    points.close()


def test_server_holds_and_finds_what_was_pushed(shelf: Shelf, served: tuple[Any, str]) -> None:
    points, vectors = served
    assert push_library(shelf.store, points, vectors).points == 300
    shelf.remove(range(10, 40))
    compact(shelf.store)
    assert push_library(shelf.store, points, vectors).points == 270
    form, view = points.form(), shelf.store.view()
    assert (form.vectors, form.multivector, form.dims) == (vectors, True, 16)
    stage = QdrantFirstStage(points, view.slots)
    index = SnapshotIndex(view, stage, view.tie_keys(), view.live_mask(), candidates=100, exact_more=0)
    allowed = view.live_mask()
    allowed[::2] = False
    for mask in (view.live_mask(), allowed):
        truth = ExactIndex(view, view.tie_keys()).search(texts(), 10, mask)
        assert index.search(texts(), 10, mask).slots.tolist() == truth.slots.tolist()
    assert stage.asked
