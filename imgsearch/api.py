"""The Python interface: a library opened for a program or a notebook (docs/python.md)."""

from __future__ import annotations

import base64
import html
import io
import operator
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from imgsearch.albums.interface import KeepsAlbums
from imgsearch.errors import MediaError, UsageError
from imgsearch.reading.interface import ReadsTexts
from imgsearch.records import Float32, Hit, Results
from imgsearch.texts import WritesTexts

if TYPE_CHECKING:
    from PIL import Image

    from imgsearch.export import VectorExport
    from imgsearch.search.engine import Searcher
    from imgsearch.search.query.description import Query
    from imgsearch.settings import Settings
    from imgsearch.storage import Stats

PathLike = str | os.PathLike[str]

_THUMBNAIL = 160  # pixels, the longer side


class IndexSummary(Protocol):
    """What an index run did."""

    images: int  # in the library afterwards
    files: int
    new: int  # pictures that were embedded
    failed: int
    notes: list[str]

    def text(self) -> str:
        """The same in sentences."""
        ...

    def as_dict(self) -> dict[str, Any]:
        """All of it, as `imgsearch index --json` prints it."""
        ...


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


class Library(KeepsAlbums, ReadsTexts, WritesTexts):
    """One library, open for searching from any number of threads. Close it, or use it in a ``with``; after that every
    call raises UsageError."""

    def __init__(self, searcher: Searcher, settings: Settings) -> None:
        self._open: Searcher | None = searcher
        self._settings = settings
        self._path = searcher.store.path
        self._generators = {}
        self._writing = threading.Lock()

    def __enter__(self) -> Library:
        self._searcher  # noqa: B018  raises where it is closed
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    @property
    def path(self) -> Path:
        """The library's folder."""
        return self._path

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._open is None

    def close(self) -> None:
        """Let go of the library's files. Closing twice is fine."""
        searcher, self._open = self._open, None
        if searcher is not None:
            searcher.close()

    def search(
        self,
        text: str | Query,
        k: int = 10,
        *,
        rerank: int = -1,
        everything: bool = False,
        cursor: str | None = None,
        budget_ms: float | None = None,
        threshold: float | None = None,
        sort: str = "best",
    ) -> Answer:
        """Pictures that fit ``text``, in the language of docs/search.md; see `imgsearch.Query`, which may stand in its
        place, for the rest. ``threshold``: only hits that match with this probability, whatever the library's rule for
        confidence says. ``sort``: "best", "newest", "oldest" or "name" puts the hits that were found in that order.
        Raises UsageError for a text that asks for nothing or holds a wrong filter, and for arguments of another
        type."""
        from imgsearch.search.query.description import Query
        from imgsearch.search.selection import above, in_order, require_probability

        searcher = self._searcher
        if threshold is not None:
            threshold, everything = require_probability(threshold), True
        query = text if isinstance(text, Query) else Query(text, k, rerank, cursor, everything, budget_ms)
        results = searcher.search(query)
        if threshold is not None:
            results = above(results, threshold)
        return Answer(in_order(results, sort, lambda ids: _dates(searcher, ids)))

    def similar(self, picture: int | str | os.PathLike[str] | Image.Image, k: int = 10, *, filters: str = "") -> Answer:
        """Pictures like the one with that image id (itself left out), in that file, or like that Pillow image.
        ``filters``: such as "folder:Holiday". Raises UsageError, MediaError for a picture that cannot be read."""
        from imgsearch.search.query.description import Query

        if not isinstance(filters, str):
            raise _wrong("filters", filters, "a text such as folder:Holiday")
        if hasattr(picture, "tobytes") and hasattr(picture, "getbands"):
            return Answer(self._searcher.search(Query(filters, k), self._tokens_of(cast("Image.Image", picture))))
        named = _named(picture)
        return self.search(f'similar:"{named}" {filters}', k)

    def index(self, paths: PathLike | Iterable[PathLike] = (), **options: Any) -> IndexSummary:
        """Bring the library up to date with these folders and pictures, without any with all that it knows, as
        `imgsearch index` does; what is found is searched from the next call on. ``options``: wait, include,
        exclude, no_patterns, recheck (docs/operations.md).

        -> what was done: ``images``, ``new``, ``failed`` and so on. Raises UsageError for a path that is not there,
        LibraryBusy, StorageFull. Cost: that of decoding and embedding what is new; loads torch."""
        self._searcher  # noqa: B018  raises where it is closed
        given = [paths] if isinstance(paths, (str, os.PathLike)) else _listed(paths)
        if not given and paths != ():
            raise UsageError("got an empty list of paths, expected at least one", "index() brings all up to date")
        for path in given:
            if not isinstance(path, (str, os.PathLike)):
                raise _wrong("a path", path, "a text or a pathlib.Path")
        from imgsearch.progress import Silence
        from imgsearch.settings import refuse_unknown
        from indexer.index_run import OPTIONS, IndexRequest
        from indexer.service import read_folders

        refuse_unknown(options, OPTIONS, "the call of Library.index")
        request = IndexRequest(tuple(os.fspath(path) for path in given), self._settings, **options)
        return read_folders(request, Silence())

    def stats(self) -> Stats:
        """Counts and sizes."""
        return self._searcher.store.stats()

    def vectors(self) -> VectorExport:
        """Every picture's vectors, to read block by block or to write to a file."""
        from imgsearch.export import VectorExport

        return VectorExport(self._searcher.store)

    @property
    def _searcher(self) -> Searcher:
        if self._open is None:
            raise UsageError(f"the library {self._path} is closed", "open it again: imgsearch.open(...)")
        return self._open

    def _tokens_of(self, picture: Image.Image) -> Float32:
        """Vectors [T, D], by the way of a file, so that orientation, profile and depth count as they do there."""
        from imgsearch.media.decode import decode_bytes

        searcher = self._searcher
        decoded = decode_bytes(_as_file(picture), searcher.model.image_size)
        return searcher.backend.embed_image(decoded.pixels)

    def __repr__(self) -> str:
        return f"<imgsearch library {self._path}{', closed' if self.closed else ''}>"


def open_library(path: str | os.PathLike[str] | None = None, *, create: bool = False, **settings: Any) -> Library:
    """The library in the folder ``path``; the user's own unless given. ``create``: make it where there is none, for the
    model that is named. ``settings`` as in the settings file: model, device, features ...

    Raises LibraryMissing, ModelMismatch, ModelUnavailable, UsageError for an unknown setting or a wrong type."""
    from imgsearch import app as library
    from imgsearch.settings import known_settings, load_settings, refuse_unknown

    if path is not None and not isinstance(path, (str, os.PathLike)):
        raise _wrong("the path", path, "a text or a pathlib.Path")
    if path == "":  # as a path it would be the folder that one happens to be in
        raise UsageError("got an empty text for the path, expected a folder", "imgsearch.open() opens your own library")
    refuse_unknown(settings, known_settings(), "the call of imgsearch.open")
    given = settings if path is None else {**settings, "library": path}
    found = load_settings(given)
    if create:
        library.create_store(found, library.model_id(found)).close()
    return Library(library.open_searcher(found), found)


def _wrong(name: str, value: object, expected: str) -> UsageError:
    return UsageError(
        f"got {value!r:.60} ({type(value).__name__}) for {name}, expected {expected}", "see docs/python.md"
    )


def _listed(paths: Any) -> list[Any]:
    try:
        return list(paths)
    except TypeError:
        raise _wrong("paths", paths, "a path or a list of paths") from None


def _named(picture: Any) -> str:
    """An image id or a file, as the query language names it."""
    if isinstance(picture, (str, os.PathLike)):
        named = os.fspath(picture)
        if not isinstance(named, str) or '"' in named or named.isdigit():
            raise UsageError(f"got the path {named!r}", "give such a path with its folder, and without quotes in it")
        return named
    try:
        number = operator.index(picture)
    except TypeError:
        number = -1
    if isinstance(picture, bool) or number < 0:
        raise _wrong("the picture", picture, "an image id, a path or a Pillow image")
    return str(number)


def _as_file(picture: Image.Image) -> bytes:
    """The picture as a file without loss."""
    about = {name: picture.info[name] for name in ("exif", "icc_profile") if picture.info.get(name)}
    for kind, options in (("PNG", {"compress_level": 0}), ("TIFF", {})):
        file = io.BytesIO()
        try:
            picture.save(file, kind, **options, **about)
        except (OSError, ValueError, KeyError, SyntaxError) as exc:
            reason = str(exc)
        else:
            return file.getvalue()
    raise MediaError(f"the picture of mode {picture.mode} cannot be read: {reason}", stage="open")


def _dates(searcher: Searcher, image_ids: Sequence[int]) -> dict[int, str | None]:
    return {number: record.dated_at for number, record in searcher.store.images(image_ids).items()}


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
    from imgsearch.media.shown import open_shown

    try:
        picture = open_shown(path, _THUMBNAIL)
    except MediaError as error:
        return f"<p>{html.escape(error.message)}</p>"
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=80)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="{html.escape(path.name)}">'
