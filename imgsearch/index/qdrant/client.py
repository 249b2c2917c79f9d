"""A collection on a Qdrant server, or in the client's local mode."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
from qdrant_client import QdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from imgsearch.errors import IndexServerError, LibraryUnsupported
from imgsearch.index.qdrant.address import KEY_VARIABLE, QdrantAddress
from imgsearch.index.qdrant.points import BLOCK, BLOCK_BITS, MARKER_ID, CollectionForm
from imgsearch.records import Float32, Int64
from imgsearch.wording import one_line

PAGE = 10_000
"""Ids of one answer when all are listed: 200 kB."""

P = ParamSpec("P")
T = TypeVar("T")


def _told(method: Callable[P, T]) -> Callable[P, T]:
    """What the client raises, as IndexServerError."""

    @wraps(method)
    def asked(*arguments: P.args, **named: P.kwargs) -> T:
        points: Any = arguments[0]
        try:
            return method(*arguments, **named)
        except UnexpectedResponse as exc:
            raise _refused(points.address, exc) from exc
        except ResponseHandlingException as exc:
            raise IndexServerError(
                f"the vector server {points.address} does not answer ({one_line(str(exc.source))})",
                "start it, or mend the setting qdrant_url",
            ) from exc
        except ValueError as exc:  # JSON, or its form
            raise IndexServerError(
                f"what answers at {points.address} is no Qdrant server: {one_line(str(exc))[:200]}",
                "mend the setting qdrant_url",
            ) from exc
        except (ApiException, QdrantException, OSError) as exc:
            raise IndexServerError(
                f"the vector server {points.address} failed: {one_line(str(exc))}", "try again later"
            ) from exc

    return asked


def _refused(address: str, error: UnexpectedResponse) -> IndexServerError:
    content = one_line((error.content or b"").decode("utf-8", "replace"))[:300]
    if error.status_code in (401, 403):
        return IndexServerError(
            f"the vector server {address} refuses the key ({error.status_code})", f"set {KEY_VARIABLE} to its API key"
        )
    retry = error.status_code is None or error.status_code >= 500 or error.status_code in (408, 429)
    return IndexServerError(
        f"the vector server {address} answers {error.status_code}: {content}",
        "try again later" if retry else "see the server's log; is its version 1.15 or newer?",
    )


class ServerPoints:
    """`Points` by qdrant-client. Safe between threads."""

    def __init__(
        self, client: QdrantClient, collection: str, address: str = "memory", shards: int = 0, replicas: int = 0
    ) -> None:
        self._client, self._collection, self.address = client, collection, address
        self._shards, self._replicas = shards or None, replicas or None

    @classmethod
    def at(cls, address: QdrantAddress, collection: str) -> ServerPoints:
        """Over HTTP; TLS and its certificates as httpx does them (SSL_CERT_FILE). Asks nothing yet."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a key over http, which docs/qdrant.md speaks of
            client = QdrantClient(
                url=address.url,
                api_key=address.api_key,
                timeout=max(1, round(address.timeout_s)),
                check_compatibility=False,
            )
        return cls(client, collection, address.url, address.shards, address.replicas)

    @property
    def name(self) -> str:
        return f"the collection {self._collection} of {self.address}"

    @_told
    def form(self) -> CollectionForm | None:
        if not self._client.collection_exists(self._collection):
            return None
        params = self._client.get_collection(self._collection).config.params.vectors
        if not isinstance(params, models.VectorParams):
            raise LibraryUnsupported(
                f"{self.name} has named vectors, so another program made it",
                "name another one with the setting qdrant_collection",
            )
        return CollectionForm(
            params.size,
            params.datatype.value if params.datatype else "float32",
            params.distance.value,
            params.multivector_config is not None,
        )

    @_told
    def create(self, dims: int, vectors: str) -> None:
        self._client.create_collection(
            self._collection,
            vectors_config=models.VectorParams(
                size=dims,
                distance=models.Distance.DOT,
                datatype=models.Datatype(vectors),
                multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
                hnsw_config=models.HnswConfigDiff(m=0),  # a graph costs 53 ms a point of 32 vectors and finds no more
            ),
            shard_number=self._shards,
            replication_factor=self._replicas,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # local mode says that it has no indexes
            by_block = models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=False)
            self._client.create_payload_index(self._collection, BLOCK, by_block, wait=True)

    @_told
    def drop(self) -> None:
        self._client.delete_collection(self._collection)

    @_told
    def upsert(self, ids: Int64, vectors: Sequence[Float32], payload: dict[str, str] | None = None) -> None:
        points = [
            models.PointStruct.model_construct(
                id=point, vector=rows.tolist(), payload=payload or {BLOCK: point >> BLOCK_BITS}
            )
            for point, rows in zip(ids.tolist(), vectors, strict=True)
        ]
        self._client.upsert(self._collection, points, wait=True)

    @_told
    def delete(self, ids: Int64) -> None:
        self._client.delete(self._collection, models.PointIdsList(points=ids.tolist()), wait=True)

    @_told
    def count(self) -> int:
        return int(self._client.count(self._collection, exact=True).count)

    def pages(self) -> Iterator[Int64]:
        after: Any = None
        while True:
            ids, after = self._page(after)
            yield ids[ids != MARKER_ID]
            if after is None:
                return

    @_told
    def _page(self, first: Any) -> tuple[Int64, Any]:
        found, after = self._client.scroll(
            self._collection, limit=PAGE, offset=first, with_payload=False, with_vectors=False
        )
        return _numbers(point.id for point in found), after

    @_told
    def read(self, ids: Int64) -> dict[int, Float32]:
        found = self._client.retrieve(self._collection, ids.tolist(), with_payload=False, with_vectors=True)
        return {int(point.id): np.array(point.vector, np.float32) for point in found}

    @_told
    def payload(self, point_id: int) -> dict[str, Any] | None:
        found = self._client.retrieve(self._collection, [point_id], with_payload=True, with_vectors=False)
        return dict(found[0].payload or {}) if found else None

    @_told
    def nearest(
        self, text: Float32, count: int, only: Int64 | None, without: Int64 | None, blocks: Int64 | None = None
    ) -> Int64:
        answer = self._client.query_points(
            self._collection,
            query=[text.tolist()],  # a flat vector is refused where points hold several
            limit=count,
            query_filter=_filter(only, without, blocks),
            with_payload=False,
            search_params=models.SearchParams(exact=True, quantization=models.QuantizationSearchParams(ignore=True)),
        )
        return _numbers(point.id for point in answer.points)

    def close(self) -> None:
        self._client.close()


def _filter(only: Int64 | None, without: Int64 | None, blocks: Int64 | None) -> models.Filter | None:
    """By ids or blocks; unchecked, because pydantic takes 0.2 s for half a million numbers that are known to be
    right."""
    if blocks is not None:
        match = models.MatchAny.model_construct(any=blocks.tolist())
        return models.Filter.model_construct(must=[models.FieldCondition.model_construct(key=BLOCK, match=match)])
    if only is not None:
        return models.Filter.model_construct(must=[_has_id(only)])
    if without is not None and len(without):
        return models.Filter.model_construct(must_not=[_has_id(without)])
    return None


def _has_id(ids: Int64) -> models.HasIdCondition:
    return models.HasIdCondition.model_construct(has_id=ids.tolist())


def _numbers(ids: Iterator[Any]) -> Int64:
    """The ids that may be slots; another program's may be UUIDs."""
    return np.fromiter((point for point in ids if isinstance(point, int)), np.int64)
