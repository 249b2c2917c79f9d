"""The pages. They already contain what a script would ask of the API, so that searching works without one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from imgsearch.errors import UsageError
from imgsearch.search.query.description import Query
from imgsearch.search.query.parser import pieces_of
from imgsearch.search.selection import SORTS
from web.http.answers import EVERY_PICTURE, LONGEST_CURSOR, search_json
from web.http.context import current_config, current_service, rooted
from web.http.routes.pictures import find_picture, picture_json
from web.http.tiles import install_tiles
from web.problems import printable, status_of
from web.services.sorting import sorted_search
from web.wording import about_a_query

blueprint = Blueprint("pages", __name__)
install_tiles(blueprint)

PAGE_HITS = 60
"""Six rows of a wide screen."""

BUDGET_MS = 1500.0
"""A person who waits longer for a first page thinks that it is broken; the script requests the rest of the re-rank."""


_BEST = {"match": "Best match first", "likeness": "Most alike first", "newest": "Last added first"}
_SORTED = {"newest": "Newest first", "oldest": "Oldest first", "name": "By name"}


@dataclass(frozen=True, slots=True)
class SearchPage:
    """The content of search.html; ``heading`` and ``advice`` stand where there is no image. ``told``: the answer
    without its hits, for the script; ``words``: the query without its filters."""

    query: str
    everything: bool = False
    hits: tuple[dict[str, Any], ...] = ()
    closest: bool = False
    notes: tuple[str, ...] = ()
    next_cursor: str | None = None
    complete: bool = True
    told: dict[str, Any] | None = None
    words: str = ""
    heading: str = ""
    advice: str = ""
    every: str = EVERY_PICTURE
    limit: int = PAGE_HITS
    longest: int = 1000
    order: str = "match"
    sort: str = "best"

    @property
    def asked(self) -> str:
        """The query as a heading; "" for none."""
        return str(self.told["title"]) if self.told else "Search" if self.query else ""

    @property
    def title(self) -> str:
        return self.asked or "Newest pictures"

    @property
    def words_address(self) -> str:
        """The address of the search without filters; "" where there are none, or nothing else."""
        return rooted(f"/?{urlencode({'q': self.words})}") if self.words and self.words != self.query else ""

    @property
    def status(self) -> str:
        if not self.hits or self.closest:
            return ""
        if self.sort != "best":
            return _SORTED[self.sort]
        newest = _BEST["newest"] if self.query else ""
        return {"likeness": "Most alike first", "newest": newest}.get(self.order, "Best match first")

    @property
    def dated(self) -> bool:
        """Whether tiles say when their picture was taken."""
        return self.sort in ("newest", "oldest")

    @property
    def orders(self) -> list[tuple[str, str]]:
        """The orders that there are, and what they are called."""
        return [("best", _BEST[self.order]), *_SORTED.items()]

    @property
    def next_address(self) -> str:
        """The address of the answer's next page."""
        return self._address(cursor=self.next_cursor or "", all="1" if self.everything else "")

    @property
    def rest_address(self) -> str:
        """The address of the images that match without confidence; "" if the answer goes on or holds them."""
        ended = bool(self.hits) and not self.next_cursor and not self.everything and self.sort == "best"
        return self._address(all="1") if ended and self.hits[-1]["confident"] else ""

    def _address(self, **parameters: str) -> str:
        given = {"q": self.query, "sort": "" if self.sort == "best" else self.sort, **parameters}
        return rooted(f"/?{urlencode({name: value for name, value in given.items() if value})}")


@blueprint.get("/")
def show_search() -> ResponseReturnValue:
    """The first page of an answer; for a query that cannot be read, the page gives the reason."""
    text = printable(request.args.get("q", "")).strip()
    try:
        page = _search_page(text)
    except UsageError as error:
        longest = current_config().max_query_chars
        heading, advice = (about_a_query(printable(said)) for said in (error.message, error.hint))
        shown = SearchPage(text[:longest], longest=longest, heading=heading, advice=advice)
        return render_template("search.html", page=shown), status_of(error)
    return render_template("search.html", page=page)


def _search_page(text: str) -> SearchPage:
    everything = request.args.get("all") == "1"
    cursor = request.args.get("cursor", "")[: LONGEST_CURSOR + 1] or None
    query = Query(text or EVERY_PICTURE, k=PAGE_HITS, cursor=cursor, everything=everything, budget_ms=BUDGET_MS)
    service = current_service()
    sort = request.args.get("sort", "best") if request.args.get("sort") in SORTS else "best"
    results = service.search(query) if sort == "best" else sorted_search(service, query, sort)
    answer = search_json(service, results)
    heading = advice = ""
    if answer["closest"]:
        heading = "Nothing matches with confidence"
        advice = "These are the closest pictures. They may show something else."
    elif not answer["hits"]:
        heading = "No picture found" if text else "No pictures yet"
        advice = "" if text else "Pictures appear here once a folder of this machine is indexed."
    return SearchPage(
        query=text,
        everything=everything,
        hits=tuple(answer["hits"] or answer["closest"]),
        closest=bool(answer["closest"]),
        notes=tuple(note for note in answer["notes"] if "matches with confidence" not in note),
        next_cursor=answer["next_cursor"],
        complete=results.complete,
        told={name: value for name, value in answer.items() if name not in ("hits", "closest", "took_ms")},
        words=" ".join(piece for piece, name, *_ in pieces_of(text) if not name),
        heading=heading,
        advice=advice,
        longest=current_config().max_query_chars,
        order=results.order,
        sort=sort,
    )


@blueprint.get("/pictures/<int:image_id>")
def show_picture(image_id: int) -> ResponseReturnValue:
    """One image on a page of its own, for a link and for browsers without scripts."""
    query = printable(request.args.get("q", "")).strip()
    picture = picture_json(find_picture(image_id), query)
    return render_template("picture.html", picture=picture, query=query)


@blueprint.get("/library")
def show_library() -> ResponseReturnValue:
    """The library's contents, failures, and runs of the index."""
    from web.http.routes.api import failures_json, status_json

    store = current_service().store
    return render_template("library.html", status=status_json(store), failures=failures_json(store, limit=20))
