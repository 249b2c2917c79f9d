"""`imgsearch ask`: questions about an image, or about everything that a search finds."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgsearch.cli.command import Command
from imgsearch.cli.generator_options import (
    add_generator_options,
    add_length_options,
    generator_options,
    library_if_any,
)
from imgsearch.cli.listed import listed_texts
from imgsearch.cli.named_images import NamedImages, found_ids, read_named, subjects_of
from imgsearch.cli.output.progress import phases
from imgsearch.cli.output.streams import without_chatter
from imgsearch.cli.output.terminal import linked, shown
from imgsearch.cli.parser import whole
from imgsearch.errors import UsageError
from imgsearch.settings import load_settings

if TYPE_CHECKING:
    from imgsearch.captions.asking import Answered, AskedImage
    from imgsearch.captions.subjects import Subject
    from imgsearch.settings import Settings
    from imgsearch.storage import Store

_DESCRIPTION = """\
Ask something about a picture: a file, or the id of a picture in the library (- reads names from standard input). Any
other first word is a query, in quotes if it has several words: the questions are then put to the pictures that a search
finds. Where an answer can be made a statement ("the car is red"), the library's own model tells how likely the picture
shows it.

  imgsearch ask holiday.jpg "what is in the picture?" "how many people are there?"
  imgsearch ask holiday.jpg --dialogue "is there a dog?" "what colour is it?"
  imgsearch ask "a receipt year:2024" "is there a total?" --top 20
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _DESCRIPTION
    parser.add_argument("words", nargs="+", metavar="PICTURE QUESTION", help="a picture or a query, then questions")
    parser.add_argument("--questions", type=Path, metavar="FILE", help="questions from a file in UTF-8, one a line")
    parser.add_argument("--dialogue", action="store_true", help="each question knows those before it, and the answers")
    parser.add_argument("--top", type=whole(1, 100_000), default=20, metavar="N", help="pictures of a query, most (20)")
    add_generator_options(parser)
    add_length_options(parser, 10)  # questions.ANSWER_TOKENS, without an import of the generator
    parser.add_argument("--form", metavar="TEXT", help='the prompt, {} for the question: "Question: {} Answer:"')
    parser.add_argument("--no-check", action="store_true", help="ask no matching head how likely the answers are")


def _run(arguments: argparse.Namespace) -> int:
    from imgsearch.captions.asking import QuestionSettings
    from imgsearch.generation.questions import require_question
    from imgsearch.generators import open_asker

    named, questions = read_named(arguments.words[:1]), arguments.words[1:]
    if arguments.questions is not None:
        questions = [*questions, *listed_texts(arguments.questions)]
    if not questions:
        raise UsageError(
            f"received {shown(arguments.words[0])} and no question",
            'imgsearch ask holiday.jpg "what is in the picture?", or --questions FILE',
        )
    for question in questions:
        require_question(question)  # before a model is loaded
    if arguments.form is not None and "{}" not in arguments.form:
        raise UsageError(f"the form {arguments.form!r} has no {{}} for the question", 'such as "Question: {} Answer:"')
    settings = load_settings(vars(arguments))
    style = QuestionSettings(
        arguments.dialogue, arguments.beams, arguments.max_tokens, arguments.min_tokens, arguments.form
    )
    with library_if_any(arguments, settings, needed=not named.images) as store, phases(arguments) as told:
        subjects = _subjects(named, settings, store, arguments.top)
        if not subjects:
            print("nothing found", file=sys.stderr)
            return 1
        told.say("loading the generator")
        asker = open_asker(settings, store, style, generator_options(arguments), check=not arguments.no_check)
        with without_chatter():
            return _show_all(asker.run(subjects, questions), arguments, single=len(subjects) == 1)


def _subjects(named: NamedImages, settings: Settings, store: Store | None, top: int) -> list[Subject]:
    from imgsearch.captions.subjects import library_subjects

    if named.images:
        return subjects_of(named, store)
    assert store is not None
    return list(library_subjects(store, found_ids(named.query, settings, store, top)[:top]))


def _show_all(asked: Iterator[AskedImage], arguments: argparse.Namespace, *, single: bool) -> int:
    """The exit code: 0, 1 if there was no image, 3 if one could not be read."""
    count, lost = 0, 0
    for each in asked:
        count += 1
        lost += bool(each.reason)
        if arguments.json:
            print(json.dumps(_as_json(each), indent=2 if single else None))
        elif each.reason:
            print(f"imgsearch: {shown(each.subject.path)} cannot be read: {shown(each.reason)}", file=sys.stderr)
        else:
            _print(each, single=single)
        sys.stdout.flush()
    if not count:
        print("nothing found", file=sys.stderr)
    return 3 if lost else int(not count)


def _print(asked: AskedImage, *, single: bool) -> None:
    """The answer alone for one question about one image; otherwise a line for each."""
    for answer in asked.answers:
        line = f"{shown(answer.text)}{_belief(answer)}"
        if len(asked.answers) > 1:
            line = f"{shown(answer.question)}  {line}"
        print(line if single else f"{linked(asked.subject.path)}: {line}")


def _belief(answer: Answered) -> str:
    return "" if answer.probability is None else f"  ({100 * answer.probability:.0f} %)"


def _as_json(asked: AskedImage) -> dict[str, Any]:
    return {
        "path": str(asked.subject.path),
        "image_id": asked.subject.image_id,
        "answers": [
            {("answer" if name == "text" else name): value for name, value in asdict(answer).items()}
            for answer in asked.answers
        ],
        "failure": asked.reason or None,
    }


ASK = Command("ask a question about pictures", _configure, _run, words=True)
