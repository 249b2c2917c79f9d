"""Which of the words read in a picture a query asks for: those that are marked where they stand."""

from __future__ import annotations

from collections.abc import Sequence

from imgsearch import wordforms
from imgsearch.search.query.parser import ParsedQuery
from imgsearch.search.word_matches import content_words, word_forms


def marked_words(parsed: ParsedQuery, words: Sequence[str]) -> list[bool]:
    """Of each of ``words`` whether it is one of the description, or of a filter ``text:``. Of a script without spaces a
    word is a whole line, which is marked if the words stand in it."""
    forms = [(form, False) for word in content_words(parsed.description) for form in word_forms(word)]
    for clause in parsed.filters.clauses:
        if clause.name == "text" and not clause.unwanted:
            pieces = clause.value.removesuffix("*").split()
            forms += [(piece, clause.value.endswith("*") and piece is pieces[-1]) for piece in pieces]
    return [any(wordforms.holds(word, form, unfinished=open_end) for form, open_end in forms) for word in words]
