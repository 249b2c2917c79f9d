"""The parser of every verb: options by their whole names only, our own errors with "did you mean", numbers within
bounds, and words that begin with a minus."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn

from imgsearch.errors import UsageError
from imgsearch.wording import closest, one_line

_MAY_BE_EMPTY = ("TEXT", "PATTERN")
"""Arguments of which an empty one says nothing, and misleads nobody."""

_OTHER_NAMES = {
    **dict.fromkeys(("limit", "top", "count", "num", "number", "max", "results", "n"), "-k"),
    **dict.fromkeys(("lib", "db", "database", "catalog"), "--library"),
    **dict.fromkeys(("force", "no-confirm", "assume-yes"), "--yes"),
    **dict.fromkeys(("silent", "no-progress"), "--quiet"),
    **dict.fromkeys(("format", "jsonl"), "--json"),
    **dict.fromkeys(("gpu", "cpu", "cuda"), "--device"),
    **dict.fromkeys(("ignore", "skip"), "--exclude"),
    **dict.fromkeys(("order", "order-by", "sort-by"), "--sort"),
    **dict.fromkeys(("min-score", "score", "confidence"), "--threshold"),
    **dict.fromkeys(("simulate", "dryrun", "no-act", "noop"), "--dry-run"),
    **dict.fromkeys(("output", "dest", "to"), "--out"),
}
"""What other programs call our options."""

_NUMBERS: dict[Any, str] = {int: "a whole number", float: "a number"}


class Parser(argparse.ArgumentParser):
    """argparse's parser with two differences. An option is recognised only by its whole name. Errors raise UsageError
    and suggest similar names. Parsers of sub-verbs are of the same class."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options.setdefault("allow_abbrev", False)
        super().__init__(*arguments, **options)

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(one_line(message), f"{self.prog} --help lists what there is")

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Raises UsageError for wrong or superfluous arguments."""
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            options = [word for word in rest if word.startswith("-")]
            if not options:
                self.error(f"received {_quoted(rest)}, which is one too many" if len(rest) == 1 else _too_many(rest))
            wrong = options[0].partition("=")[0]
            verb = next((word for word in args or () if word in self.verbs()), "")
            holder = self.verbs().get(verb, self)
            near = meant_option(wrong, holder.every_option())
            having = [name for name, other in self.verbs().items() if wrong in other.every_option()]
            if having and verb:
                self.error(f"{holder.prog} has no option {wrong}, {' and '.join(having)} can have it")
            holder.error(f"there is no option {wrong}{f'; did you mean {near}?' if near else ''}")
        return found

    def every_option(self) -> list[str]:
        """The options of this parser and of its sub-verbs."""
        mine = list(self._option_string_actions)
        for verb in self.verbs().values():
            mine += verb.every_option()
        return mine

    def verbs(self) -> dict[str, Parser]:
        """The parsers of the sub-verbs, by name."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                return dict(action.choices)
        return {}

    def option(self, word: str) -> argparse.Action | None:
        """The option in ``word``, with or without a value ("--k=5", "-k5"); None if it is none."""
        name = word.partition("=")[0]
        found = self._option_string_actions.get(name)
        if found is None and word[:2] in self._option_string_actions and word[2:].lstrip("-").isdigit():
            found = self._option_string_actions[word[:2]]
        return found

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        # "" is a variable of a script that was never set. As a path it would be the folder that one happens to be in.
        may_be_empty = action.choices or "" in (action.default, action.const) or action.metavar in _MAY_BE_EMPTY
        if not arg_string and not may_be_empty:
            raise argparse.ArgumentError(action, "got an empty text; is a variable of the shell empty?")
        number: Any = action.type
        if number in _NUMBERS:
            try:
                return number(arg_string)
            except ValueError as exc:
                told = f"got {one_line(arg_string)!r}, expected {_NUMBERS[number]}"
                raise argparse.ArgumentError(action, told) from exc
        return super()._get_value(action, arg_string)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        near = closest(str(value), known)
        meant = f"; did you mean {near}?" if near else ""
        if isinstance(action, argparse._SubParsersAction):
            raise UsageError(
                f"{self.prog} has no command {one_line(str(value))!r}{meant}", f"{self.prog} has {', '.join(known)}"
            )
        raise argparse.ArgumentError(action, f"got {one_line(str(value))!r}, expected one of {', '.join(known)}{meant}")


def meant_option(word: str, known: Sequence[str]) -> str:
    """The option of ``known`` that a person may have meant; "" if there is none."""
    other = _OTHER_NAMES.get(word.lstrip("-").lower(), "")
    return other if other in known else closest(word, known)


def spoken(parser: Parser, words: Sequence[str]) -> list[str]:
    """``words`` of a verb with free text, in an order that argparse reads correctly: the options first, then "--", then
    the text. A word such as ``-hat`` is text; an option is recognised by its whole name. Raises UsageError for what
    looks like an option and is none: two minus signs, or a long option's name after one."""
    options: list[str] = []
    text: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            text += rest
        elif not word.startswith("-") or word == "-":
            text.append(word)
        elif parser.option(word) is not None:
            options += _with_value(parser, word, rest)
        elif word.startswith("--") or f"-{word}" in parser.every_option():
            near = meant_option(word.partition("=")[0], parser.every_option())
            raise UsageError(
                f"there is no option {one_line(word)}{f'; did you mean {near}?' if near else ''}",
                f'if it belongs to the description, put "--" before the words: {parser.prog} -- ...',
            )
        else:
            text.append(word)
    return [*options, "--", *text]


def _with_value(parser: Parser, word: str, rest: Iterator[str]) -> list[str]:
    """The option and its value, which may begin with a minus, as one word."""
    action = parser.option(word)
    if action is None or action.nargs == 0 or "=" in word or word not in action.option_strings:
        return [word]
    value = next(rest, None)
    return [word] if value is None else [f"{word}={value}"]


def whole(least: int, most: int | None = None, name: str = "", other: str = "") -> Callable[[str], int]:
    """An argument type: an integer from ``least`` to ``most``. ``name`` says what it is, ``other`` what else can be
    done."""
    return _number(int, least, most, "a whole number", name, other)


def real(least: float, most: float | None = None) -> Callable[[str], float]:
    """An argument type: a finite number from ``least`` to ``most``."""
    return _number(float, least, most, "a number")


def probability(text: str) -> float:
    """An argument type: a number from 0 to 1, or a percentage."""
    number = text.strip()
    try:
        value = float(number[:-1]) / 100 if number.endswith("%") else float(number)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"got {one_line(text)!r}, expected a probability from 0 to 1, or 0% to 100%")
    return value


def _number(
    kind: Callable[[str], Any], least: float, most: float | None, called: str, name: str = "", other: str = ""
) -> Callable[[str], Any]:
    allowed = f"{called} of {least:,} or more" if most is None else f"{called} from {least:,} to {most:,.12g}"

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except (ValueError, OverflowError):
            value = math.nan
        if not (least <= value <= (math.inf if most is None else most)) or math.isinf(value):
            more = f" ({other})" if other else ""
            given = f"{name} = {one_line(text)}" if name else repr(one_line(text))
            raise argparse.ArgumentTypeError(f"got {given}, expected {allowed}{more}")
        return value

    return read


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(repr(one_line(word)) for word in words)


def _too_many(words: Sequence[str]) -> str:
    return f"received {_quoted(words)}, which are {len(words)} too many"
