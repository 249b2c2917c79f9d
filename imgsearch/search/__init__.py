"""A description in, pictures out: query, candidates by vectors, re-rank by ITM; and the authors' evaluation."""

from __future__ import annotations

from imgsearch.search.query.description import Query

__all__ = ["Query"]
