"""One hardened pool of decoding processes: indexing and the search for duplicates share it."""

from __future__ import annotations

from imgsearch.media.decode_pool.frames import Outcome
from imgsearch.media.decode_pool.pool import DecodeJob, DecodePool

__all__ = ["DecodeJob", "DecodePool", "Outcome"]
