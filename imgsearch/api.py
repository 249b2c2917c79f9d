"""The Python interface: a library opened for a program or a notebook (docs/python.md)."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgsearch.errors import MediaError, UsageError
from imgsearch.records import Hit, Results

if TYPE_CHECKING:
    from imgsearch.export import VectorExport
    from imgsearch.search.searcher import Searcher
    from imgsearch.storage import Stats

_THUMBNAIL = 160  # pixels, the longer side


class Answer:
    """The hits of a search, best first, as a sequence; a notebook shows them as thumbnails. ``results`` holds the rest:
    notes, times, the cursor of the next page."""

    def __init__(self, results: Results) -> None:
        self.results = results

    def __len__(self) -> int:
        return len(self.results.hits)

    def __getitem__(self, place: int) -> Hit:
        return self.results.hits[place]

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.results.hits)

    def __repr__(self) -> str:
        lines = [f"{hit.rank:4d}  {hit.itc:5.3f}  {_percent(hit)}  {hit.path}" for hit in self]
        return "\n".join([f"<{len(self)} hits for {self.results.query!r}>", *lines, *self.results.notes])

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        tiles = "".join(_tile(hit) for hit in self)
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.results.notes)
        return f'<div style="display:flex;flex-wrap:wrap;gap:8px">{tiles}</div>{notes}'


class Library:
    """One library, open for searching from any number of threads. Close it, or use it in a ``with``."""

    def __init__(self, searcher: Searcher) -> None:
        self._searcher = searcher

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the library's files."""
        self._searcher.close()

    def search(
        self,
        text: str,
        k: int = 10,
        *,
        rerank: int = -1,
        everything: bool = False,
        cursor: str | None = None,
        budget_ms: float | None = None,
    ) -> Answer:
        """Pictures that fit ``text``, in the language of docs/search.md; see `imgsearch.search.query.Query` for the
        rest. Raises UsageError for a text that asks for nothing or holds a wrong filter."""
        from imgsearch.search.query import Query

        return Answer(self._searcher.search(Query(text, k, rerank, cursor, everything, budget_ms)))

    def similar(self, picture: int | str | os.PathLike[str], k: int = 10, *, filters: str = "") -> Answer:
        """Pictures like the one with that image id (itself left out) or in that file. ``filters``: such as
        "folder:Holiday"."""
        named = str(picture) if isinstance(picture, int) else os.fspath(picture)
        if '"' in named or (not isinstance(picture, int) and named.isdigit()):
            raise UsageError(f"got the path {named!r}", "give such a path with its folder, and without quotes in it")
        return self.search(f'similar:"{named}" {filters}', k)

    def stats(self) -> Stats:
        """Counts and sizes."""
        return self._searcher.store.stats()

    def vectors(self) -> VectorExport:
        """Every picture's vectors, to read block by block or to write to a file."""
        from imgsearch.export import VectorExport

        return VectorExport(self._searcher.store)

    def __repr__(self) -> str:
        return f"<imgsearch library {self._searcher.store.path}>"


def open_library(path: str | os.PathLike[str] | None = None, **settings: Any) -> Library:
    """The library in the folder ``path``; the user's own unless given. ``settings`` as in the settings file: model,
    device, features ... Raises LibraryMissing, ModelMismatch, ModelUnavailable, UsageError for an unknown setting."""
    from imgsearch.library import open_searcher
    from imgsearch.settings import known_settings, load_settings

    unknown = sorted(set(settings) - known_settings())
    if unknown:
        raise UsageError(
            f"got the settings {', '.join(unknown)}, which do not exist",
            f"expected any of {', '.join(sorted(known_settings()))}",
        )
    given = settings if path is None else {**settings, "library": Path(path)}
    return Library(open_searcher(load_settings(given)))


def _percent(hit: Hit) -> str:
    return "   -" if hit.itm_probability is None else f"{100 * hit.itm_probability:3.0f}%"


def _tile(hit: Hit) -> str:
    name = html.escape(hit.path.name)
    title = html.escape(str(hit.path))
    return (
        f'<figure style="margin:0;width:{_THUMBNAIL}px" title="{title}">{_picture(hit.path)}'
        f'<figcaption style="overflow:hidden;text-overflow:ellipsis;white-space:nowrap">'
        f"{hit.rank}. {name} {_percent(hit)}</figcaption></figure>"
    )


def _picture(path: Path) -> str:
    """An <img> with the picture inside, as a person sees it; a word where it cannot be read."""
    from imgsearch.media.decode import open_upright

    try:
        picture = open_upright(path, _THUMBNAIL)
    except MediaError as error:
        return f"<p>{html.escape(error.message)}</p>"
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=80)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="{html.escape(path.name)}">'
