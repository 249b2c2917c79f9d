"""Text-to-image search on BLIP-2. Importing this package loads neither NumPy nor torch nor Flask; its names are loaded
on first use.

with imgsearch.open() as library:
    library.search("a dog running on the beach")
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself takes 5 ms, in which the command line could not yet listen to Ctrl-C
if TYPE_CHECKING:
    from typing import Any

    from imgsearch import errors
    from imgsearch.api import Answer, Library
    from imgsearch.records import Hit, Results
    from imgsearch.search.query.description import Query

__all__ = ["Answer", "Hit", "Library", "Query", "Results", "errors", "open"]
__version__ = "0.1.0"

_HOMES = {
    "Answer": "imgsearch.api",
    "Library": "imgsearch.api",
    "Hit": "imgsearch.records",
    "Results": "imgsearch.records",
    "Query": "imgsearch.search.query.description",
}


def open(path: Any = None, *, create: bool = False, **settings: Any) -> Library:
    """The library in the folder ``path``, open for searching; see `imgsearch.api.open_library`."""
    from imgsearch.api import open_library

    return open_library(path, create=create, **settings)


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "errors":
        return import_module("imgsearch.errors")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'imgsearch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
