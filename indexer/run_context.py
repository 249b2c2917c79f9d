"""The state that the stages of one index run share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from imgsearch.progress import Progress
from imgsearch.storage import FeatureStore, Store
from imgsearch.storage.writer import Writer
from indexer.encoder import VectorSource
from indexer.report import RunSummary


@dataclass(frozen=True, slots=True)
class RunContext:
    """The open library and its writer, where vectors come from, and who is told. ``stop`` is asked between batches."""

    store: Store
    writer: Writer
    encoder: VectorSource
    summary: RunSummary
    progress: Progress
    stop: Callable[[], bool]
    kept: FeatureStore | None = None  # the store for the encoder's features, if they are kept
