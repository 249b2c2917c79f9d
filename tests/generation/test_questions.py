"""Question and answer as one sentence, and a dialogue as a prompt."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgsearch.errors import UsageError
from imgsearch.generation.contract import QUESTION_FORM
from imgsearch.generation.questions import (
    T5_FORM,
    Statement,
    answer_length_penalty,
    dialogue_prompt,
    question_form,
    require_question,
    statement_of,
)


@pytest.mark.parametrize(
    ("question", "answer", "text", "denied"),
    [
        ("Is there a dog?", "yes", "a dog", False),
        ("is there a dog in the picture", "No.", "a dog", True),
        ("Are there any red balls in this photo?", "no", "red balls", True),
        ("Are there exactly two boats?", "yes, there are", "exactly two boats", False),
        ("Is the ball red?", "yes", "the ball is red", False),
        ("Are the two balls blue?", "no", "the two balls are blue", True),
        ("Is the cat on the sofa?", "yes", "the cat is on the sofa", False),
        ("Is the man riding a horse?", "yes", "the man is riding a horse", False),
        ("Is this a receipt?", "yes", "this is a receipt", False),
        ("What colour is the car?", "Red", "the car is red", False),
        ("what color are the shoes in the picture?", "black", "the shoes are black", False),
        ("How many dogs are there?", "2", "two dogs", False),
        ("How many dogs are there in the image?", "three", "three dogs", False),
        ("How many dogs are there?", "0", "dogs", True),
        ("How many people are swimming?", "ten", "ten people swimming", False),
        ("How many boats", "four", "four boats", False),
        ("Where is the cat?", "on the sofa", "the cat is on the sofa", False),
        ("Where are the boats?", "water", "the boats are in water", False),
        ("What is the man doing?", "riding a horse", "the man is riding a horse", False),
        ("What is in the picture?", "a red boat", "a red boat", False),
        ("What is this?", "a boat", "a boat", False),
        ("What do you see in this photo?", "a boat", "a boat", False),
        ("What is on the table?", "a cup", "a cup on the table", False),
        ("Who is riding the horse?", "a man", "a man riding the horse", False),
    ],
)
def test_answer_becomes_a_statement(question: str, answer: str, text: str, denied: bool) -> None:
    assert statement_of(question, answer) == Statement(text, denied)


@pytest.mark.parametrize("question", ["What colour is it?", "Where are they?", "How many are there?"])
def test_answer_about_what_is_not_named_makes_no_statement(question: str) -> None:
    assert statement_of(question, "red") is None


@pytest.mark.parametrize(
    ("question", "answer"),
    [("Is there a dog?", "a cat"), ("Why is he running?", "he is late"), ("What is this?", " "), ("Does it?", "yes")],
)
def test_answer_that_states_nothing_is_no_statement(question: str, answer: str) -> None:
    assert statement_of(question, answer) is None


@given(st.text(max_size=60), st.text(max_size=20))
def test_any_question_and_answer_is_read(question: str, answer: str) -> None:
    found = statement_of(question, answer)
    assert found is None or found.text.strip()


def test_each_language_model_is_asked_in_its_form(opt: Any, t5: Any) -> None:
    assert (question_form(opt), question_form(t5)) == (QUESTION_FORM, T5_FORM)
    assert (answer_length_penalty(opt), answer_length_penalty(t5)) == (0.0, -1.0)


def test_dialogue_holds_the_turns_before() -> None:
    prompt = dialogue_prompt(QUESTION_FORM, [("is there a dog?", "yes"), ("two?", "no.")], "what colour is it?")
    assert prompt == (
        "Question: is there a dog? Answer: yes. Question: two? Answer: no. Question: what colour is it? Answer:"
    )


def test_question_that_no_generator_reads_is_refused() -> None:
    assert require_question(" what\nis it? ") == "what is it?"
    for wrong in ("", " \n", "a" * 10_000):
        with pytest.raises(UsageError):
            require_question(wrong)
