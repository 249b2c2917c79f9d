"""What goes over HTTP, and what its failures are called. tests/index/qdrant/test_server.py asks a real server."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from qdrant_client import QdrantClient

from imgsearch.errors import IndexServerError
from imgsearch.index.qdrant import QdrantAddress, connect
from imgsearch.index.qdrant.client import ServerPoints

Answer = Callable[[httpx.Request], httpx.Response]


def points_on(answer: Answer) -> ServerPoints:
    client = QdrantClient(url="http://host:6333", check_compatibility=False, transport=httpx.MockTransport(answer))
    return ServerPoints(client, "pictures", "http://host:6333", shards=3, replicas=2)


class Recorder:
    """A server that takes everything."""

    def __init__(self, result: Any = True) -> None:
        self.requests: list[tuple[str, str, Any]] = []
        self.result = result

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        self.requests.append((request.method, request.url.path, body))
        result = {"status": "completed"} if request.url.path.endswith("/index") else self.result
        return httpx.Response(200, json={"result": result, "status": "ok", "time": 0.0})


def test_new_collection_has_multivectors_and_no_graph() -> None:
    server = Recorder()
    points_on(server).create(256, "turbo8")
    (method, path, body), (_, index_path, index) = server.requests
    assert index_path == "/collections/pictures/index"
    assert (index["field_name"], index["field_schema"]["lookup"]) == ("block", True)
    assert (method, path) == ("PUT", "/collections/pictures")
    assert body["vectors"]["hnsw_config"]["m"] == 0 and body["vectors"]["datatype"] == "turbo8"
    assert body["vectors"]["multivector_config"] == {"comparator": "max_sim"}
    assert (body["vectors"]["size"], body["vectors"]["distance"]) == (256, "Dot")
    assert (body["shard_number"], body["replication_factor"]) == (3, 2)


def test_points_are_sent_whole() -> None:
    server = Recorder({"status": "completed"})
    rows = [np.array([[0.5, -0.25]], np.float32), np.array([[1, 0], [0, 1]], np.float32)]
    points_on(server).upsert(np.array([3, 9]), rows)
    points_on(server).delete(np.array([3, 9]))
    (_, path, body), (_, delete_path, delete_body) = server.requests
    assert path == "/collections/pictures/points" and delete_path.endswith("/points/delete")
    sent = {point["id"]: point["vector"] for point in body["points"]}
    assert sent == {3: [[0.5, -0.25]], 9: [[1, 0], [0, 1]]}
    assert [point["payload"] for point in body["points"]] == [{"block": 0}] * 2
    assert delete_body["points"] == [3, 9]


@pytest.mark.parametrize(
    ("only", "without", "blocks", "sent"),
    [
        (None, None, None, None),
        (np.array([1, 2]), None, None, {"must": [{"has_id": [1, 2]}]}),
        (None, np.array([7]), None, {"must_not": [{"has_id": [7]}]}),
        (None, np.array([], np.int64), None, None),
        (None, None, np.array([0, 5]), {"must": [{"key": "block", "match": {"any": [0, 5]}}]}),
    ],
)
def test_query_is_a_list_of_one_vector_and_the_filter_goes_along(
    only: Any, without: Any, blocks: Any, sent: Any
) -> None:
    server = Recorder({"points": [{"id": 5, "version": 0, "score": 0.5}, {"id": 2, "version": 0, "score": 0.25}]})
    found = points_on(server).nearest(np.array([1, 0], np.float32), 2, only, without, blocks)
    assert found.tolist() == [5, 2] and found.dtype == np.int64
    [(_, path, body)] = server.requests
    assert path == "/collections/pictures/points/query"
    query = body["query"]["nearest"] if isinstance(body["query"], dict) else body["query"]
    assert query == [[1, 0]] and body["limit"] == 2  # a flat vector would be refused
    assert body["params"]["exact"] is True and body["params"]["quantization"]["ignore"] is True
    kept = {key: value for key, value in (body.get("filter") or {}).items() if value is not None}
    assert (kept or None) == sent


@pytest.mark.parametrize(
    ("status", "said", "hint"),
    [
        (401, "refuses the key", "IMGSEARCH_QDRANT_API_KEY"),
        (403, "refuses the key", "IMGSEARCH_QDRANT_API_KEY"),
        (400, "answers 400: .*no such thing", "see the server's log"),
        (500, "answers 500", "try again later"),
        (503, "answers 503", "try again later"),
        (429, "http://host:6333", "try again later"),
    ],
)
def test_refusal_is_told_with_what_to_do(status: int, said: str, hint: str) -> None:
    points = points_on(lambda request: httpx.Response(status, json={"status": {"error": "no such thing"}}))
    with pytest.raises(IndexServerError, match=said) as refused:
        points.count()
    assert hint in refused.value.hint


def raising(error: Exception) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        raising(httpx.ConnectError("refused")),
        raising(httpx.ReadTimeout("too long")),
        raising(httpx.RemoteProtocolError("garbage")),
        lambda request: httpx.Response(200, content=b"<html>a proxy's page</html>"),
        lambda request: httpx.Response(200, json={"result": "nonsense"}),
    ],
)
def test_no_proper_answer_is_an_error_of_ours(answer: Answer) -> None:
    points = points_on(answer)
    for ask in (points.form, points.count, lambda: points.nearest(np.ones(2, np.float32), 1, None, None)):
        with pytest.raises(IndexServerError, match="http://host:6333"):
            ask()


def test_connecting_asks_nothing() -> None:
    points = connect(QdrantAddress("http://localhost:1", api_key="k", timeout_s=1), "c")
    assert points.name == "the collection c of http://localhost:1"
    with pytest.raises(IndexServerError, match="does not answer"):
        points.count()
    points.close()
