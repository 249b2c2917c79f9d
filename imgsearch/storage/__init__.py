"""The truth on disk: a library's folder, its vectors and its catalog (docs/formats.md).

Names are imported on first use: a search needs no SQLAlchemy, which takes as long to load as the rest of a fresh
search.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from imgsearch.storage.caches.features import FeatureStore, QuantisedFeatures
    from imgsearch.storage.catalog.stats import RootStats, Stats
    from imgsearch.storage.catalog.texts.captions import StoredCaption
    from imgsearch.storage.catalog.texts.image_texts import StoredText, TextLine, TextWord
    from imgsearch.storage.layout import LibraryLayout
    from imgsearch.storage.opening import create_store, library_exists, open_store
    from imgsearch.storage.snapshots import SnapshotInfo, latest_snapshot
    from imgsearch.storage.store import Store
    from imgsearch.storage.transaction import WriteTransaction
    from imgsearch.storage.upkeep.operations import compact, forget, repair
    from imgsearch.storage.upkeep.verification import verify
    from imgsearch.storage.view import View
    from imgsearch.storage.writer import Writer, writing

_HOMES = {
    "batch": (
        "Committed",
        "Compacted",
        "EmbeddedBatch",
        "FailedFile",
        "FilePlace",
        "FileState",
        "Forgotten",
        "Problem",
        "Repaired",
    ),
    "caches.features": ("FeatureStore", "QuantisedFeatures"),
    "layout": ("LibraryLayout",),
    "opening": ("create_store", "library_exists", "open_store"),
    "upkeep.operations": ("compact", "forget", "repair"),
    "snapshots": ("SnapshotInfo", "latest_snapshot"),
    "catalog.texts.captions": ("StoredCaption",),
    "catalog.texts.image_texts": ("StoredText", "TextLine", "TextWord"),
    "catalog.stats": ("RootStats", "Stats"),
    "store": ("Store",),
    "transaction": ("WriteTransaction",),
    "upkeep.verification": ("verify",),
    "view": ("View",),
    "writer": ("Writer", "writing"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """The public names, by PEP 562. No submodule may have the name of one: once imported, it would hide it."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


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
    "SnapshotInfo",
    "Stats",
    "Store",
    "StoredCaption",
    "StoredText",
    "TextLine",
    "TextWord",
    "View",
    "WriteTransaction",
    "Writer",
    "compact",
    "create_store",
    "forget",
    "latest_snapshot",
    "library_exists",
    "open_store",
    "repair",
    "verify",
    "writing",
]
