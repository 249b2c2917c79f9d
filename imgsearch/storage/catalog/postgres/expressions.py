"""The full-text expressions that this program writes, which are FTS5's, as trees: phrases, AND, OR, NEAR, a column.

FTS5's grammar (https://sqlite.org/fts5.html, section 3) in that part alone: AND binds before OR, a ``*`` behind a
phrase leaves its last word unfinished, ``tags : (...)`` limits what follows to one column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(r'\s*("[^"]*"|[():*,]|[A-Za-z_]+|\d+)')


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words one after the other; ``unfinished``: the last one is the beginning of a word."""

    words: tuple[str, ...]
    unfinished: bool = False

    @property
    def text(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True, slots=True)
class Near:
    """All phrases, with at most ``distance`` words between the end of the first and the beginning of the last."""

    phrases: tuple[Phrase, ...]
    distance: int


@dataclass(frozen=True, slots=True)
class Every:
    """AND."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """OR."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class InColumn:
    """What stands in one column."""

    column: str
    part: Node


Node = Phrase | Near | Every | Either | InColumn


def parsed(expression: str) -> Node:
    """The tree of an expression. Raises ValueError for what this program does not write."""
    reader = _Reader(expression)
    found = reader.either()
    reader.end()
    return found


def phrases_of(node: Node) -> Iterator[Phrase]:
    """Every phrase in the order of the expression, as often as it stands there."""
    match node:
        case Phrase():
            yield node
        case Near():
            yield from node.phrases
        case InColumn():
            yield from phrases_of(node.part)
        case Every() | Either():
            for part in node.parts:
                yield from phrases_of(part)


class _Reader:
    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = _tokens(expression)
        self._at = 0

    def either(self) -> Node:
        parts = [self._every()]
        while self._take("OR"):
            parts.append(self._every())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def end(self) -> None:
        if self._at < len(self._tokens):
            self._refuse()

    def _every(self) -> Node:
        parts = [self._one()]
        while self._take("AND"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _one(self) -> Node:
        if self._take("("):
            found = self.either()
            self._expect(")")
            return found
        if self._take("NEAR"):
            return self._near()
        if self._next().startswith('"'):
            return self._phrase()
        column = self._next()
        self._at += 1
        self._expect(":")
        return InColumn(column, self._one())

    def _near(self) -> Node:
        self._expect("(")
        phrases = [self._phrase()]
        while self._next().startswith('"'):
            phrases.append(self._phrase())
        self._expect(",")
        distance = self._next()
        if not distance.isdecimal():
            self._refuse()
        self._at += 1
        self._expect(")")
        return Near(tuple(phrases), int(distance))

    def _phrase(self) -> Phrase:
        words = tuple(self._next().strip('"').split())
        if not words:
            self._refuse()
        self._at += 1
        return Phrase(words, self._take("*"))

    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else self._refuse()

    def _take(self, token: str) -> bool:
        there = self._at < len(self._tokens) and self._tokens[self._at] == token
        self._at += there
        return there

    def _expect(self, token: str) -> None:
        if not self._take(token):
            self._refuse()

    def _refuse(self) -> str:
        raise ValueError(f"got the full-text expression {self._expression!r:.200}, expected phrases, AND, OR, NEAR")


def _tokens(expression: str) -> list[str]:
    found, at = [], 0
    end = len(expression.rstrip())
    while at < end:
        token = _TOKEN.match(expression, at)
        if token is None:
            raise ValueError(f"got the full-text expression {expression!r:.200}, expected phrases, AND, OR, NEAR")
        found.append(token[1])
        at = token.end()
    return found
