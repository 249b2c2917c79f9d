"""Whether a query makes sense, before anything heavy is loaded for it."""

from __future__ import annotations

from imgsearch.search.language import Ask, parse
from imgsearch.search.query import Query, readable, require_words


def require_sense(query: Query) -> Ask:
    """The query, read. Raises UsageError for a wrong filter, and where there is neither a word that a model could read
    nor a filter or a picture."""
    ask = parse(readable(query.text))
    if ask.description or not (ask.filters or ask.similar or ask.like or ask.excluded):
        require_words(ask.description)
    for unwanted in ask.excluded:
        require_words(unwanted)
    return ask
