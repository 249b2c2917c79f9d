"""Qdrant's engine inside this process, its data in a folder: for tests and trials. One process at a time."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import qdrant_edge as engine

from imgsearch.errors import IndexServerError, LibraryError
from imgsearch.index.qdrant.points import BLOCK, BLOCK_BITS, MARKER_ID, CollectionForm
from imgsearch.records import Float32, Int64
from imgsearch.wording import one_line

PAGE = 10_000
_CONFIG = "edge_config.json"
_TYPES = {name.lower(): name for name in ("Float32", "Float16", "Uint8", "Turbo8", "Turbo16")}

P = ParamSpec("P")
T = TypeVar("T")


def _told(method: Callable[Concatenate[EdgePoints, P], T]) -> Callable[Concatenate[EdgePoints, P], T]:
    """One caller at a time, and what the engine raises, which is a bare Exception, as IndexServerError."""

    @wraps(method)
    def asked(points: EdgePoints, /, *arguments: P.args, **named: P.kwargs) -> T:
        with points.lock:
            try:
                return method(points, *arguments, **named)
            except LibraryError:
                raise
            except Exception as exc:
                hint = "another process may have it open: one at a time" if "WouldBlock" in str(exc) else ""
                raise IndexServerError(f"{points.name} failed: {one_line(str(exc))}", hint) from exc

    return asked


class EdgePoints:
    """`Points` by qdrant-edge-py. Updates go through a write-ahead log, so acknowledged ones outlive a kill."""

    def __init__(self, folder: str, collection: str) -> None:
        self._path = Path(folder).expanduser() / collection
        self._opened: Any = None
        self.lock = threading.RLock()

    @property
    def name(self) -> str:
        return f"the collection {self._path.name} in {self._path.parent}"

    @_told
    def form(self) -> CollectionForm | None:
        if not (self._path / _CONFIG).is_file():
            return None
        vectors = json.loads((self._path / _CONFIG).read_text(encoding="utf-8"))["vectors"][""]
        several = vectors.get("multivector_config") is not None
        return CollectionForm(vectors["size"], vectors.get("datatype") or "float32", vectors["distance"], several)

    @_told
    def create(self, dims: int, vectors: str) -> None:
        several = engine.MultiVectorConfig(engine.MultiVectorComparator.MaxSim)
        no_graph = engine.HnswIndexConfig(m=0, ef_construct=4, full_scan_threshold=10)
        form = engine.EdgeVectorParams(
            size=dims,
            distance=engine.Distance.Dot,
            multivector_config=several,
            datatype=getattr(engine.VectorStorageDatatype, _TYPES[vectors]),
            hnsw_config=no_graph,
        )
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._opened = engine.EdgeShard.create(str(self._path), engine.EdgeConfig(vectors=form))
        index = engine.UpdateOperation.create_field_index(BLOCK, engine.IntegerIndexParams(lookup=True, range=False))
        self._opened.update(index)

    @_told
    def drop(self) -> None:
        self.close()
        shutil.rmtree(self._path)

    @_told
    def upsert(self, ids: Int64, vectors: Sequence[Float32], payload: dict[str, str] | None = None) -> None:
        pairs = zip(ids.tolist(), vectors, strict=True)
        points = [engine.Point(point, rows.tolist(), payload or {BLOCK: point >> BLOCK_BITS}) for point, rows in pairs]
        self._shard().update(engine.UpdateOperation.upsert_points(points))

    @_told
    def delete(self, ids: Int64) -> None:
        self._shard().update(engine.UpdateOperation.delete_points(ids.tolist()))

    @_told
    def count(self) -> int:
        return int(self._shard().count(engine.CountRequest(exact=True)))

    def pages(self) -> Iterator[Int64]:
        after: int | None = None
        while True:
            ids, after = self._page(after)
            yield ids[ids != MARKER_ID]
            if after is None:
                return

    @_told
    def _page(self, first: int | None) -> tuple[Int64, int | None]:
        found, after = self._shard().scroll(
            engine.ScrollRequest(offset=first, limit=PAGE, with_payload=False, with_vector=False)
        )
        return np.array([point.id for point in found], np.int64), after

    @_told
    def read(self, ids: Int64) -> dict[int, Float32]:
        found = self._shard().retrieve(ids.tolist(), False, True)
        return {int(point.id): np.array(point.vector, np.float32) for point in found}

    @_told
    def payload(self, point_id: int) -> dict[str, Any] | None:
        found = self._shard().retrieve([point_id], True, False)
        return dict(found[0].payload or {}) if found else None

    @_told
    def nearest(
        self, text: Float32, count: int, only: Int64 | None, without: Int64 | None, blocks: Int64 | None = None
    ) -> Int64:
        request = engine.QueryRequest(
            query=engine.Query.Nearest([text.tolist()]),
            limit=count,
            filter=_filter(only, without, blocks),
            params=engine.SearchParams(exact=True),
            with_payload=False,
            with_vector=False,
        )
        return np.array([point.id for point in self._shard().query(request)], np.int64)

    def close(self) -> None:
        with self.lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def _shard(self) -> Any:
        if self._opened is None:
            self._opened = engine.EdgeShard.load(str(self._path))
        return self._opened


def _filter(only: Int64 | None, without: Int64 | None, blocks: Int64 | None) -> Any:
    if blocks is not None:
        return engine.Filter(must=[engine.FieldCondition(BLOCK, match=engine.MatchAny(blocks.tolist()))])
    if only is not None:
        return engine.Filter(must=[engine.HasIdCondition(set(only.tolist()))])
    if without is not None and len(without):
        return engine.Filter(must_not=[engine.HasIdCondition(set(without.tolist()))])
    return None
