"""Vectors to candidates: which images hold the vector that best matches a text."""

from __future__ import annotations

from imgsearch.index.contract import CandidateIndex, VectorRows
from imgsearch.index.exact import ExactIndex
from imgsearch.index.rows import ArrayRows, rank_order

__all__ = ["ArrayRows", "CandidateIndex", "ExactIndex", "VectorRows", "rank_order"]
