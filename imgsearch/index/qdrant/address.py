"""Where the vectors are served, as the settings say, and how it is reached."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from imgsearch.errors import UsageError
from imgsearch.index.qdrant.points import REFUSED, VECTORS

EDGE = "edge:"
"""Begins the address of a folder in which the engine itself runs, inside this process: for tests and trials."""

KEY_VARIABLE = "IMGSEARCH_QDRANT_API_KEY"

_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')


@dataclass(frozen=True, slots=True)
class QdrantAddress:
    """``url``: http(s)://host[:port], or edge:FOLDER. ``collection``: "" for one named after the library. ``vectors``:
    how a new collection keeps them. ``shards`` and ``replicas`` of a new collection: 0 as the server does.
    ``timeout_s``: for one answer. The key is never shown."""

    url: str
    collection: str = ""
    vectors: str = "float16"
    shards: int = 0
    replicas: int = 0
    timeout_s: float = 60.0
    api_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        require_vectors(self.vectors)
        _require_name(self.collection)
        if self.url.startswith(EDGE):
            if self.url == EDGE:
                raise UsageError("edge: names no folder", "for example edge:/srv/vectors")
            return
        try:
            parts = urlsplit(self.url)
            usable = (
                parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
            )
        except ValueError:
            usable = False
            parts = urlsplit("")
        if not usable:
            raise UsageError(
                f"the address of Qdrant is {self.url!r}, expected http://HOST:PORT or https://HOST:PORT",
                "for example IMGSEARCH_QDRANT_URL=http://localhost:6333",
            )
        if parts.username or parts.password:
            raise UsageError(
                "the address of Qdrant holds a name or a password, which messages would show",
                f"leave it out, and put the key into the environment: {KEY_VARIABLE}=...",
            )


def _require_name(collection: str) -> None:
    """Raise UsageError for a name that Qdrant refuses, or that leads to another folder."""
    if collection and (_FORBIDDEN.search(collection) or len(collection) > 255 or set(collection) == {"."}):
        raise UsageError(
            f'the collection is called {collection!r}, expected up to 255 letters without any of < > : " / \\ | ? *',
            "for example --qdrant-collection pictures",
        )


def require_vectors(vectors: str) -> None:
    """Raise UsageError for a data type that loses answers or does not exist."""
    if vectors not in VECTORS:
        reason = REFUSED.get(vectors)
        raise UsageError(
            f"qdrant_vectors is {vectors!r}" + (f"; {reason}" if reason else f", expected {', '.join(VECTORS)}"),
            "take float16 (as exact as the library), or turbo8 (half the memory)",
        )
