"""Text-to-image search on BLIP-2. Importing this package loads neither torch nor Flask.

with imgsearch.open() as library:
    library.search("a dog running on the beach")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgsearch.api import Answer, Library

__all__ = ["Answer", "Library", "open"]
__version__ = "0.1.0"


def open(path: Any = None, **settings: Any) -> Library:
    """The library in the folder ``path``, open for searching; see `imgsearch.api.open_library`."""
    from imgsearch.api import open_library

    return open_library(path, **settings)


def __getattr__(name: str) -> Any:
    if name in ("Answer", "Library"):
        from imgsearch import api

        return getattr(api, name)
    raise AttributeError(f"module 'imgsearch' has no attribute {name!r}")
