"""Questions in the form that BLIP-2's authors used for each language model, and answers as statements that can be
checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from imgsearch.errors import UsageError
from imgsearch.generation.contract import QUESTION_FORM

T5_FORM = "Question: {} Short answer:"
"""LAVIS's evaluation of VQAv2, OK-VQA and GQA with Flan-T5."""

MAX_LETTERS = 2000
"""Characters of a question. In every language that a generator knows, this is more than the 512 tokens it reads."""

_PLACES = """above across against along among around at behind below beneath beside between by in inside near next of on
onto outside over to toward under underneath upon with wearing holding left right"""
_PLACE = "|".join(sorted(_PLACES.split(), key=len, reverse=True))
_HERE = r"(?: (?:in|on|of) (?:the|this|that) (?:picture|photo|photograph|image|scene))?"
_NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
_NONE = frozenset(("0", "zero", "no", "none", "nothing"))
_YES, _NO = frozenset(("yes", "yeah", "true")), frozenset(("no", "nope", "false"))
_LOOKS = (
    r"(?:is|are) (?:this|that|it|there|shown|visible)|(?:do|can) you see|does (?:it|this|the \w+) show|"
    r"(?:is|are)(?= (?:in|on|of) (?:the|this|that) (?:picture|photo|photograph|image|scene)$)"
)
"""What asks for all that there is."""
_SPLITS = re.compile(rf"^(.+?) ((?:(?:{_PLACE}|\w+ing|exactly|a|an)\b).*|\S+)$")


@dataclass(frozen=True, slots=True)
class Statement:
    """What an answer claims. ``denied``: the claim is that ``text`` is not so."""

    text: str
    denied: bool = False


def question_form(generator: Any) -> str:
    """The prompt for this generator's language model, with {} for the question."""
    return T5_FORM if getattr(generator, "encoder_decoder", False) else QUESTION_FORM


ANSWER_TOKENS = 10
"""New tokens of an answer, at most: LAVIS's predict_answers has max_len=10, for OPT and for Flan-T5."""


def answer_length_penalty(generator: Any) -> float:
    """LAVIS's length penalty: -1 for Flan-T5, 0 for OPT (its later predict_answers)."""
    return -1.0 if getattr(generator, "encoder_decoder", False) else 0.0


def dialogue_prompt(form: str, before: Sequence[tuple[str, str]], question: str) -> str:
    """The whole dialogue as a prompt: (question, answer) of each earlier turn, then the new question."""
    turns = [f"{form.replace('{}', asked)} {answer.rstrip('.')}." for asked, answer in before]
    return " ".join([*turns, form.replace("{}", question)])


def require_question(question: str) -> str:
    """``question`` on one line. Raises UsageError if it is empty or longer than any generator reads."""
    text = " ".join(question.split())
    if not text:
        raise UsageError("the question is empty", 'for example "what colour is the car?"')
    if len(text) > MAX_LETTERS:
        raise UsageError(
            f"a question of {len(text):,} letters was given, expected {MAX_LETTERS:,} at most", "ask something shorter"
        )
    return text


def statement_of(question: str, answer: str) -> Statement | None:
    """Question and answer as one sentence, of the kind that a matching head was trained on: "what colour is the car?",
    "red" -> "the car is red"; "is there a dog?", "no" -> "a dog" is denied. None if no rule applies, and for what is
    only called "it": no matching head knows what that is."""
    asked = " ".join(question.lower().split()).rstrip(" ?.!")
    said = " ".join(answer.lower().split()).strip(" .!,")
    if not said:
        return None
    for pattern, make in _RULES:
        match = pattern.match(asked)
        if match is not None:
            statement = make(said, *(group or "" for group in match.groups()))
            return None if statement is None or _NAMELESS.search(statement.text) else statement
    return None


def _there(said: str, things: str) -> Statement | None:
    return _yes_or_no(said, re.sub(r"^(any|some) ", "", things))


def _is_it(said: str, verb: str, rest: str) -> Statement | None:
    parts = _SPLITS.match(rest)
    return _yes_or_no(said, f"{parts[1]} {verb} {parts[2]}") if parts else None


def _yes_or_no(said: str, text: str) -> Statement | None:
    first = said.split()[0].strip(",.")
    if first not in _YES | _NO:
        return None
    return Statement(text, denied=first in _NO)


def _is(said: str, verb: str, thing: str) -> Statement:
    return Statement(f"{thing} {verb} {said}")


def _count(said: str, things: str, more: str = "") -> Statement:
    rest = " ".join(f"{things} {more}".split())
    if said.split()[0] in _NONE:
        return Statement(rest, denied=True)
    number = _NUMBERS[int(said)] if said.isascii() and said.isdigit() and int(said) < len(_NUMBERS) else said
    return Statement(f"{number} {rest}")


def _where(said: str, verb: str, thing: str) -> Statement:
    placed = said if re.match(rf"(?:{_PLACE})\b", said) else f"in {said}"
    return Statement(f"{thing} {verb} {placed}")


_NAMELESS = re.compile(r"^(?:it|they|he|she)\b|\bare there$")

_RULES: tuple[tuple[re.Pattern[str], Callable[..., Statement | None]], ...] = (
    (re.compile(rf"^(?:is|are|was|were) there (.+?){_HERE}$"), _there),
    (re.compile(rf"^(is|are|was|were) ((?:the|this|that|these|those|a|an|it|they|he|she)\b.*?){_HERE}$"), _is_it),
    (re.compile(rf"^(?:what|which) colou?rs? (is|are) (.+?){_HERE}$"), _is),
    (re.compile(rf"^how many (.+?)(?: (?:is|are|were) there| (?:can|do) you see| are visible){_HERE}$"), _count),
    (re.compile(r"^how many (.+?) (?:is|are) (.+)$"), _count),
    (re.compile(rf"^how many (.+?){_HERE}$"), _count),
    (re.compile(rf"^where (is|are) (.+?){_HERE}$"), _where),
    (re.compile(r"^what (is|are) (.+?) doing$"), _is),
    (re.compile(rf"^what (?:{_LOOKS}){_HERE}$"), lambda said: Statement(said)),
    (
        re.compile(rf"^(?:what|who) (?:is|are) ((?:{_PLACE}|\w+ing)\b.+)$"),
        lambda said, rest: Statement(f"{said} {rest}"),
    ),
)
