"""Whether a query makes sense, before anything heavy is loaded for it."""

from __future__ import annotations

from imgsearch.errors import UsageError
from imgsearch.search.query.description import Query, readable, require_words
from imgsearch.search.query.parser import ParsedQuery, parse


def require_sense(query: Query, *, pictured: bool = False) -> ParsedQuery:
    """The query, read. ``pictured``: it comes with a picture to compare with. Raises UsageError for a wrong filter, and
    where there is neither a word that a model could read nor a filter or a picture."""
    ask = parse(readable(query.text))
    if pictured and (ask.similar or ask.like):
        raise UsageError("the query names a picture and comes with another", "leave similar: and like: out")
    if ask.description or not (pictured or ask.filters or ask.similar or ask.like or ask.excluded):
        require_words(ask.description)
    for unwanted in ask.excluded:
        require_words(unwanted)
    return ask
