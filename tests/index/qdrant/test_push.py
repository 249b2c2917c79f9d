"""What arrives in a collection, after stops, failures and deletions, and whose collection it may be."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import models
from qdrant_shelf import D, Shelf, T, Troubled, away, local_points, unit

from imgsearch.errors import IndexServerError, LibraryUnsupported, UsageError
from imgsearch.index import TokenRows
from imgsearch.index.qdrant import PushStopped, QdrantAddress, push_library
from imgsearch.index.qdrant.points import MARKER_ID, Marker
from imgsearch.index.qdrant.push import send_images
from imgsearch.storage import compact


def ids(points: Any) -> list[int]:
    return np.concatenate([np.empty(0, np.int64), *points.pages()]).tolist()


def marker_of(points: Any) -> Marker:
    marker = Marker.of_payload(points.payload(MARKER_ID))
    assert marker is not None
    return marker


def test_push_sends_every_image_and_says_so_last(shelf: Shelf, points: Any) -> None:
    steps: list[tuple[int, int]] = []
    done = push_library(shelf.store, points, "float16", lambda one, all_: steps.append((one, all_)))
    assert (done.points, done.sent, done.deleted) == (300, 300, 0) and done.compared > 200
    assert ids(points) == list(range(300)) and points.count() == 301
    assert steps[-1] == (300, 300) and [one for one, _ in steps] == sorted(one for one, _ in steps)
    view = shelf.store.view()
    for slot, rows in points.read(np.arange(300)).items():  # every vector sent is one of the image's own
        own = view.read(np.array([slot]))[0]
        assert np.abs(rows[:, None] - own[None]).max(axis=2).min(axis=1).max() < 1e-3
    marker = marker_of(points)
    assert (marker.stop, marker.images, marker.generation) == (300, 300, view.generation)


def test_push_goes_on_where_it_was_stopped(shelf: Shelf, points: Any) -> None:
    asked = iter([False, False, True])
    with pytest.raises(PushStopped):
        push_library(shelf.store, points, "float16", stop=lambda: next(asked))
    assert ids(points) == list(range(64)) and marker_of(points).stop == 0
    done = push_library(shelf.store, points, "float16")
    assert (done.points, done.sent) == (300, 236)
    assert push_library(shelf.store, points, "float16").sent == 0
    shelf.add(20)
    assert push_library(shelf.store, points, "float16").sent == 20
    assert marker_of(points).stop == 320


def test_push_outlives_failures_and_gives_up_in_the_end(shelf: Shelf, points: Any) -> None:
    calls: list[str] = []

    def every_third_fails(method: str) -> None:
        calls.append(method)
        if method in ("upsert", "delete") and len(calls) % 3 == 0:
            away(method)

    assert push_library(shelf.store, Troubled(points, every_third_fails), "float16").points == 300
    shelf.add(1)
    with pytest.raises(IndexServerError, match="no answer to"):
        push_library(shelf.store, Troubled(points, away), "float16")


def test_push_deletes_what_the_library_dropped(shelf: Shelf, points: Any) -> None:
    push_library(shelf.store, points, "float16")
    shelf.remove(range(10, 40))
    assert push_library(shelf.store, points, "float16").deleted == 0  # their files may come back
    compact(shelf.store)
    done = push_library(shelf.store, points, "float16")
    assert done.points == 270 and points.count() == 271
    assert ids(points) == sorted(shelf.store.view().live_slots.tolist())  # a compaction gives new slots


def test_push_sends_what_got_lost_there(shelf: Shelf, points: Any) -> None:
    push_library(shelf.store, points, "float16")
    points.delete(np.array([3, 200]))
    assert push_library(shelf.store, points, "float16").sent == 2


def test_push_names_the_point_that_holds_other_vectors(shelf: Shelf, points: Any) -> None:
    push_library(shelf.store, points, "float16")
    points.upsert(np.array([299]), [unit(np.ones((1, D)))])
    with pytest.raises(IndexServerError, match="slot 299"):
        push_library(shelf.store, points, "float16")
    assert push_library(shelf.store, points, "float16", fresh=True).sent == 300


def test_push_says_what_is_missing_when_the_server_loses_points(shelf: Shelf, points: Any) -> None:
    class Forgetful(Troubled):
        def count(self) -> int:
            return int(self._points.count()) - 2

    with pytest.raises(IndexServerError, match="holds 298 points after all were sent, expected 300"):
        push_library(shelf.store, Forgetful(points, lambda method: None), "float16")


def test_image_without_a_finite_vector_has_no_point(points: Any) -> None:
    vectors = unit(np.random.default_rng(0).standard_normal((5, T, D)))
    vectors[2] = np.nan
    points.create(D, "float16")
    sent = send_images(TokenRows(vectors), np.arange(5), points)
    assert (sent.images, sent.empty) == (4, 1) and ids(points) == [0, 1, 3, 4]


def test_push_makes_the_marker_of_a_collection_that_a_kill_left_empty(shelf: Shelf, points: Any) -> None:
    points.create(D, "float16")
    assert push_library(shelf.store, points, "float16").points == 300


def test_collection_of_another_library_is_refused(shelf: Shelf, points: Any, tmp_path: Path) -> None:
    push_library(shelf.store, points, "float16")
    other = Shelf(tmp_path / "other")
    other.store.close()
    with other.store.catalog.write() as connection:  # made at another time
        connection.exec_driver_sql("UPDATE library SET created_at = '1999-01-01T00:00:00Z'")
    other.add(5)
    with pytest.raises(LibraryUnsupported, match="belongs to another library") as refused:
        push_library(other.store, points, "float16")
    assert "--fresh" in refused.value.hint and "qdrant_collection" in refused.value.hint
    other.store.close()


def test_copy_of_the_library_that_went_another_way_is_refused(shelf: Shelf, points: Any, tmp_path: Path) -> None:
    shutil.copytree(shelf.folder, tmp_path / "copy" / "library")
    copy = Shelf(tmp_path / "copy", seed=9)
    copy.count = 300
    push_library(shelf.store, points, "float16")
    assert push_library(copy.store, points, "float16").sent == 0  # the same until here
    shelf.add(3)
    push_library(shelf.store, points, "float16")
    for _ in range(2):  # shorter than what was sent, then as long
        with pytest.raises(LibraryUnsupported, match="another state of this library"):
            push_library(copy.store, points, "float16")
        copy.add(3)
    copy.store.close()


def test_collection_of_another_program_is_refused(shelf: Shelf, points: Any) -> None:
    points.create(D, "float16")
    points.upsert(np.array([5]), [unit(np.ones((1, D)))])
    with pytest.raises(LibraryUnsupported, match="was not made by imgsearch"):
        push_library(shelf.store, points, "float16")


SEVERAL = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"datatype": models.Datatype.UINT8, "multivector_config": SEVERAL}, "uint8; it keeps whole numbers"),
        ({"datatype": models.Datatype.TURBO4, "multivector_config": SEVERAL}, "turbo4; with 4 bits"),
        ({}, "one vector a point"),
        ({"distance": models.Distance.EUCLID, "multivector_config": SEVERAL}, "by Euclid, expected Dot"),
        ({"size": 8, "multivector_config": SEVERAL}, "of 8 numbers, the library's have 16"),
    ],
)
def test_collection_that_loses_answers_is_refused(shelf: Shelf, points: Any, form: dict[str, Any], said: str) -> None:
    values = {"size": D, "distance": models.Distance.DOT, **form}
    points._client.create_collection("c", vectors_config=models.VectorParams(**values))
    with pytest.raises(LibraryUnsupported, match=said):
        push_library(shelf.store, points, "float16")


def test_named_vectors_are_refused(shelf: Shelf, points: Any) -> None:
    params = models.VectorParams(size=D, distance=models.Distance.DOT)
    points._client.create_collection("c", vectors_config={"text": params})
    with pytest.raises(LibraryUnsupported, match="named vectors"):
        push_library(shelf.store, points, "float16")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"url": "localhost:6333"}, "expected http://HOST:PORT"),
        ({"url": "http://"}, "expected http://HOST:PORT"),
        ({"url": "http://host:port"}, "expected http://HOST:PORT"),
        ({"url": "http://[::1"}, "expected http://HOST:PORT"),
        ({"url": "https://me:secret@host"}, "holds a name or a password"),
        ({"vectors": "uint8"}, "recall@10 was 0.005"),
        ({"url": "edge:"}, "names no folder"),
        ({"url": "edge:/srv", "collection": "../other"}, "expected up to 255 letters"),
        ({"url": "edge:/srv", "collection": ".."}, "expected up to 255 letters"),
        ({"collection": "a" * 256}, "expected up to 255 letters"),
        ({"vectors": "int4"}, "expected float16, turbo8"),
    ],
)
def test_wrong_address_is_refused(values: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        QdrantAddress(**{"url": "http://host", **values})
    assert "secret" not in str(refused.value)


def test_key_is_not_shown() -> None:
    assert "hush" not in repr(QdrantAddress("https://host", api_key="hush"))


def test_push_of_an_empty_library_is_refused(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    with pytest.raises(ValueError, match="without pictures"):
        push_library(shelf.store, local_points(), "float16")
    shelf.store.close()
