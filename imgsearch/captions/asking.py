"""Asks the same questions about many images, and checks each answer with the matching head."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from PIL import Image

from imgsearch.captions.run import SeeingGenerator
from imgsearch.captions.subjects import MatchingSide, ReadSubject, Subject, read_subjects
from imgsearch.errors import MediaError
from imgsearch.generation.checked import CaptionMatcher, match_margins, probability_of
from imgsearch.generation.questions import (
    ANSWER_TOKENS,
    answer_length_penalty,
    dialogue_prompt,
    question_form,
    require_question,
    statement_of,
)
from imgsearch.records import Float32

_BATCH = 32


@dataclass(frozen=True, slots=True)
class QuestionSettings:
    """How questions are asked. ``dialogue``: each question comes after the earlier ones and their answers. ``form`` is
    the prompt with {} for the question, ``length_penalty`` that of the beams; None uses what the authors used with the
    language model."""

    dialogue: bool = False
    num_beams: int = 5
    max_new_tokens: int = ANSWER_TOKENS
    min_new_tokens: int = 1
    form: str | None = None
    length_penalty: float | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """``statement`` is what the answer claims ("the car is red"; "not: a dog"), None if no rule makes a statement of
    it. ``probability`` that the image shows it, None without a statement or a matching head."""

    question: str
    text: str
    statement: str | None = None
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class AskedImage:
    """An image's answers in the order of the questions; none, and the ``reason``, if it cannot be read."""

    subject: Subject
    answers: tuple[Answered, ...] = ()
    reason: str = ""


class Asker:
    """Asks questions with one generator. ``matching`` tells how well the answers fit."""

    def __init__(
        self,
        generator: SeeingGenerator,
        settings: QuestionSettings | None = None,
        matching: MatchingSide | None = None,
    ) -> None:
        self._generator, self._matching = generator, matching
        self._settings = settings or QuestionSettings()

    def run(
        self,
        subjects: Iterable[Subject],
        questions: Sequence[str],
        stop: Callable[[], bool] = lambda: False,
        batch: int = 0,
    ) -> Iterator[AskedImage]:
        """The answers about each of ``subjects``, in order. ``stop`` is called between batches. Raises UsageError for a
        question that is empty or too long, and NotEnoughMemory."""
        asked = [require_question(question) for question in questions]
        waiting = iter(subjects)
        while not stop() and (part := list(islice(waiting, batch or _BATCH))):
            yield from self._ask_batch(part, asked)

    def _ask_batch(self, subjects: Sequence[Subject], questions: Sequence[str]) -> Iterator[AskedImage]:
        read = read_subjects(subjects, self._generator, self._matching)
        good = [one for one in read if isinstance(one, ReadSubject)]
        model = self._matching.model if self._matching else None
        features = [one.features for one in good] if model else None
        answers = iter(
            ask_images(self._generator, model, [one.image for one in good], questions, self._settings, features)
        )
        for one, subject in zip(read, subjects, strict=True):
            if isinstance(one, MediaError):
                yield AskedImage(subject, reason=one.message)
            else:
                yield AskedImage(subject, tuple(next(answers)))


def ask_images(
    generator: SeeingGenerator,
    matcher: CaptionMatcher | None,
    images: Sequence[Image.Image],
    questions: Sequence[str],
    settings: QuestionSettings,
    features: Sequence[Float32 | None] | None = None,
) -> list[list[Answered]]:
    """Every question about each of B images -> B lists of answers. ``features``: float32 [N, W] of each image from
    ``matcher``. Raises what `Generator.answer` raises. Cost: that of the generator once a question, and a matched pair
    for each answer with a statement."""
    form = question_form(generator) if settings.form is None else settings.form
    penalty = answer_length_penalty(generator) if settings.length_penalty is None else settings.length_penalty
    said: list[list[Answered]] = [[] for _ in images]
    for question in questions if images else ():
        before = [[(each.question, each.text) for each in turns] if settings.dialogue else [] for turns in said]
        answers = generator.answer(
            images,
            [dialogue_prompt(form, turns, question) for turns in before],
            "{}",
            num_beams=settings.num_beams,
            max_new_tokens=settings.max_new_tokens,
            min_new_tokens=settings.min_new_tokens,
            length_penalty=penalty,
        )
        for place, answer in enumerate(answers):
            known = features[place] if features is not None else None
            said[place].append(checked_answer(matcher, question, answer.text, known))
    return said


def checked_answer(matcher: CaptionMatcher | None, question: str, text: str, features: Float32 | None) -> Answered:
    """An answer with its statement, and the probability that the image with these ``features`` [N, W] shows it."""
    statement = statement_of(question, text)
    if statement is None:
        return Answered(question, text)
    written = f"not: {statement.text}" if statement.denied else statement.text
    if matcher is None or features is None:
        return Answered(question, text, written)
    (margin,) = match_margins(matcher, [statement.text], features)
    return Answered(question, text, written, probability_of(-margin if statement.denied else margin))
