"""Questions about many pictures: what the generator alone would say, with the matching head's belief."""

from __future__ import annotations

from typing import Any

import pytest

from imgsearch.captions.asking import Answered, Asker, QuestionSettings, checked_answer
from imgsearch.captions.subjects import MatchingSide, library_subjects, read_subjects
from imgsearch.errors import UsageError

QUESTIONS = ["is there a ball?", "what colour is it?"]


@pytest.fixture
def shelf(library: Any) -> Any:
    library.add(library.names(3))
    return library


def asked(shelf: Any, opt: Any, settings: QuestionSettings, batch: int = 0) -> list[Any]:
    subjects = library_subjects(shelf.store, [1, 2, 3])
    return list(Asker(opt, settings, MatchingSide(shelf.model)).run(subjects, QUESTIONS, batch=batch))


def test_answers_are_the_generators_in_any_batch(shelf: Any, opt: Any) -> None:
    settings = QuestionSettings(max_new_tokens=4)
    found = asked(shelf, opt, settings)
    assert found == asked(shelf, opt, settings, batch=1)
    read = read_subjects(list(library_subjects(shelf.store, [1, 2, 3])), opt, None)
    images = [one.image for one in read]
    for place, question in enumerate(QUESTIONS):
        said = opt.answer(images, question, max_new_tokens=4, length_penalty=0.0)
        assert [each.answers[place].text for each in found] == [answer.text for answer in said]


def test_dialogue_goes_on_from_the_answers_before(shelf: Any, opt: Any) -> None:
    found = asked(shelf, opt, QuestionSettings(dialogue=True, max_new_tokens=4))
    read = read_subjects(list(library_subjects(shelf.store, [1, 2, 3])), opt, None)
    for one, each in zip(read, found, strict=True):
        first = each.answers[0].text
        prompt = f"Question: {QUESTIONS[0]} Answer: {first.rstrip('.')}. Question: {QUESTIONS[1]} Answer:"
        (said,) = opt.answer([one.image], prompt, "{}", max_new_tokens=4, length_penalty=0.0)
        assert each.answers[1].text == said.text


def test_statement_is_as_likely_as_itm_says_and_its_denial_the_rest(shelf: Any, opt: Any) -> None:
    (read,) = read_subjects(list(library_subjects(shelf.store, [1])), opt, MatchingSide(shelf.model))
    yes, no = (checked_answer(shelf.model, "is there a red ball?", said, read.features) for said in ("yes", "no"))
    expected = float(shelf.model.match_probabilities(["a red ball"], read.features[None])[0])
    assert yes.probability == pytest.approx(expected, abs=1e-6) and yes.statement == "a red ball"
    assert no.probability == pytest.approx(1 - expected, abs=1e-6) and no.statement == "not: a red ball"
    assert checked_answer(shelf.model, "why?", "because", read.features) == Answered("why?", "because")
    assert checked_answer(None, "is there a ball?", "yes", None).probability is None


def test_unreadable_picture_is_told_and_long_questions_refused(shelf: Any, opt: Any) -> None:
    (shelf.photos / "scene01.png").unlink()
    found = asked(shelf, opt, QuestionSettings(max_new_tokens=4))
    assert [bool(each.reason) for each in found] == [False, True, False] and found[1].answers == ()
    with pytest.raises(UsageError, match="10,000 letters"):
        list(Asker(opt).run(library_subjects(shelf.store, [1]), ["a" * 10_000]))
    with pytest.raises(UsageError, match="tokens was given"):
        list(Asker(opt).run(library_subjects(shelf.store, [1]), ["q z " * 490]))
