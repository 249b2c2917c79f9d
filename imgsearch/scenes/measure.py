"""Measures how many captions and answers are true of the scenes from which they were made."""

from __future__ import annotations

from collections.abc import Sequence

from imgsearch.scenes.graph import Scene
from imgsearch.scenes.questions import QUESTION_KINDS, Question
from imgsearch.scenes.truth import ASPECTS, true_of


def caption_figures(captions: Sequence[str], scenes: Sequence[Scene]) -> dict[str, float]:
    """Per cent of the captions: "object and colour" name a present object with its colour, "all true" say nothing
    false; then, for each aspect with any claims, the share of true ones."""
    found = [true_of(caption, scene) for caption, scene in zip(captions, scenes, strict=True)]
    figures = {
        "object and colour": _share([one.coloured for one in found]),
        "all true": _share([one.all_true for one in found]),
    }
    for aspect in ASPECTS:
        claims = [claim.true for one in found for claim in one.claims if claim.aspect == aspect]
        if claims:
            figures[aspect] = _share(claims)
    return figures


def answer_figures(questions: Sequence[Question], answers: Sequence[str]) -> dict[str, float]:
    """Per cent of the answers that are right, by kind of question that occurs, and over all."""
    right = [question.is_right(answer) for question, answer in zip(questions, answers, strict=True)]
    figures = {}
    for kind in QUESTION_KINDS:
        of_kind = [good for good, question in zip(right, questions, strict=True) if question.kind == kind]
        if of_kind:
            figures[kind] = _share(of_kind)
    return {**figures, "all": _share(right)}


def _share(values: Sequence[bool]) -> float:
    return 100 * sum(values) / max(1, len(values))
