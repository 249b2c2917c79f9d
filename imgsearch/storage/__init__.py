"""The truth on disk: a library's folder, its vectors and its catalog (docs/formats.md)."""

from __future__ import annotations

from imgsearch.storage.batch import (
    Committed,
    Compacted,
    EmbeddedBatch,
    FailedFile,
    FilePlace,
    FileState,
    Forgotten,
    Problem,
    Repaired,
)
from imgsearch.storage.features import FeatureStore, QuantisedFeatures
from imgsearch.storage.layout import LibraryLayout
from imgsearch.storage.operations import compact, forget, repair
from imgsearch.storage.stats import RootStats, Stats
from imgsearch.storage.store import Store, create_store, library_exists, open_store
from imgsearch.storage.transaction import WriteTransaction
from imgsearch.storage.verification import verify
from imgsearch.storage.view import View
from imgsearch.storage.writer import Writer

__all__ = [
    "Committed",
    "Compacted",
    "EmbeddedBatch",
    "FailedFile",
    "FeatureStore",
    "FilePlace",
    "FileState",
    "Forgotten",
    "LibraryLayout",
    "Problem",
    "QuantisedFeatures",
    "Repaired",
    "RootStats",
    "Stats",
    "Store",
    "View",
    "WriteTransaction",
    "Writer",
    "compact",
    "create_store",
    "forget",
    "library_exists",
    "open_store",
    "repair",
    "verify",
]
