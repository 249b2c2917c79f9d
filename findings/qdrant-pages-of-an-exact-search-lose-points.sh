#!/usr/bin/env bash
# Pages of an exact Qdrant search, by limit and offset, show some points twice and others never.
#
# Nothing is approximate here: exact=True, one segment, nothing written meanwhile. But among points of equal score the
# choice depends on limit + offset, so the pages do not add up to the collection. Equal scores are usual: pictures that lie
# there twice, and every filter that is answered without a text. The client's local mode pages rightly, so a test on it does
# not show this. Here imgsearch/index/qdrant/first_stage.py takes all candidates in one request, and pages go by
# an order of our own at home; tests/contracts/test_candidate_index.py holds that.
# Sources: qdrant-edge-py 0.9.0 (the server's engine in the process) and qdrant-client 1.20.0, as on PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    qdrant-client==1.20.0 qdrant-edge-py==0.9.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import qdrant_edge as edge
from qdrant_client import QdrantClient, models

print("qdrant-edge-py", version("qdrant-edge-py"), "qdrant-client", version("qdrant-client"))
COUNT, PAGE, VECTOR = 1000, 50, [0.6, 0.8, 0.0, 0.0]


def told(name, pages):
    ids = [point.id for page in pages for point in page]
    print(f"{name}: {len(ids)} answers on {len(pages)} pages, {len(set(ids))} of {COUNT} points among them")
    return len(ids), len(set(ids))


form = edge.EdgeVectorParams(size=4, distance=edge.Distance.Dot)
shard = edge.EdgeShard.create("shard", edge.EdgeConfig(vectors=form))
shard.update(edge.UpdateOperation.upsert_points([edge.Point(i, VECTOR, None) for i in range(COUNT)]))
assert shard.count(edge.CountRequest(exact=True)) == COUNT
pages = []
for offset in range(0, COUNT, PAGE):
    request = edge.QueryRequest(
        query=edge.Query.Nearest(VECTOR),
        limit=PAGE,
        offset=offset,
        params=edge.SearchParams(exact=True),
        with_payload=False,
        with_vector=False,
    )
    pages.append(shard.query(request))
engine = told("engine", pages)
shard.close()

local = QdrantClient(":memory:")
local.create_collection("c", vectors_config=models.VectorParams(size=4, distance=models.Distance.DOT))
local.upsert("c", [models.PointStruct(id=i, vector=VECTOR) for i in range(COUNT)])
pages = [local.query_points("c", query=VECTOR, limit=PAGE, offset=at).points for at in range(0, COUNT, PAGE)]
in_local_mode = told("local mode", pages)
as_found = engine[0] == COUNT > engine[1] and in_local_mode == (COUNT, COUNT)
sys.exit(0 if as_found else "this behaves in another way now")
PYTHON
echo "as found: pages that add up to fewer points than there are"
