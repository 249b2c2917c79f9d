"""From vectors to candidates: which images hold the vector that best matches a text. Importing this loads no faiss."""

from __future__ import annotations

from imgsearch.index.contract import CandidateIndex, VectorRows
from imgsearch.index.exact import ExactIndex
from imgsearch.index.opening import IndexOpener, open_at_home, open_index
from imgsearch.index.rows import TokenRows, rank_order
from imgsearch.index.snapshot_index import SnapshotIndex

__all__ = [
    "CandidateIndex",
    "ExactIndex",
    "IndexOpener",
    "SnapshotIndex",
    "TokenRows",
    "VectorRows",
    "open_at_home",
    "open_index",
    "rank_order",
]
