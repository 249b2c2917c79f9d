#!/usr/bin/env bash
# FAISS's flat inner-product index answers with other rows for k = 5 than it puts first for k = 10.
#
# Among equal scores it takes the first k rows that it meets and hands them back in reverse: k = 5 gives rows 4 to 0, k = 10
# gives rows 9 to 0, so the five and the first five of the ten have no row in common. The index by distances (L2) begins
# with row 0 for every k. A collection of pictures has equal scores wherever a file lies twice; a page that asks for
# k = 50 and then for k = 100 shows some copies twice and others never. Here imgsearch/index/scoring.py orders equal scores
# by a key of its own, and tests/contracts/test_candidate_index.py holds every index to that order, and to a prefix.
# Source: faiss-cpu 1.15.1, as on PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    faiss-cpu==1.15.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import faiss
import numpy as np

print("faiss", faiss.__version__)
rng = np.random.default_rng(1)
others = rng.normal(size=(500, 32)).astype(np.float32)
others /= np.linalg.norm(others, axis=1, keepdims=True)
vector = others[:1]
rows = np.concatenate([np.repeat(vector, 12, axis=0), others[1:]])  # a picture that lies there twelve times
as_found = True
for name, index in (("inner product", faiss.IndexFlatIP(32)), ("L2", faiss.IndexFlatL2(32))):
    index.add(rows)
    (five,), (ten,) = index.search(vector, 5)[1], index.search(vector, 10)[1]
    assert set(ten.tolist()) <= set(range(12))  # the copies, and nothing else
    common = set(five.tolist()) & set(ten[:5].tolist())
    print(f"{name}: k = 5 {five.tolist()}, first five of k = 10 {ten[:5].tolist()}, in common {len(common)}")
    as_found &= len(common) == (0 if name == "inner product" else 5)
sys.exit(0 if as_found else "this behaves in another way now")
PYTHON
echo "as found: the first five of ten are none of the five"
