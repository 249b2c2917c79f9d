"""Captions and answers over the API: stored, streamed, refused, shared and given up."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from colour_shelf import Shelf, build
from scribe import Gate, Scribe, scribe_service

from imgsearch.errors import NotEnoughMemory
from imgsearch.storage import writing
from web.services.generation import GenerationService

JSON = {"Accept": "application/json"}


@pytest.fixture
def written(tmp_path: Any) -> Iterator[Callable[..., Shelf]]:
    """``written(scribe or service, **limits)``: a shelf whose server has a generator."""
    made: list[tuple[Shelf, GenerationService]] = []

    def make(writer: Any, **limits: Any) -> Shelf:
        generation = scribe_service(writer, **limits) if isinstance(writer, Scribe) else writer
        made.append((build(tmp_path / str(len(made)), generation=generation), generation))
        return made[-1][0]

    yield make
    for shelf, generation in made:
        generation.close()
        shelf.service.close()


def ask(shelf: Shelf, image_id: int, question: str = "what is this?", **body: Any) -> Any:
    return shelf.client.post(f"/api/v1/pictures/{image_id}/ask", json={"question": question, **body}, headers=JSON)


def events(answer: Any) -> list[tuple[str, Any]]:
    found = []
    for block in answer.get_data(as_text=True).split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


def test_answer_comes_word_by_word_and_then_whole(written: Callable[..., Shelf]) -> None:
    shelf = written(Scribe())
    red = shelf.id_of("a/red one.png")
    answer = shelf.client.post(f"/api/v1/pictures/{red}/ask", json={"question": "what  is\nthis?"})
    assert answer.mimetype == "text/event-stream"
    told = events(answer)
    assert [data for name, data in told if name == "token"] == [
        {"token": "it", "text": "it"},
        {"token": " is", "text": "it is"},
        {"token": " all", "text": "it is all"},
        {"token": " red", "text": "it is all red"},
    ]
    name, last = told[-1]
    assert name == "answer" and last["answer"] == "it is all red" and last["question"] == "what is this?"
    assert ask(shelf, red).get_json() == last
    assert (
        shelf.client.post(f"/api/v1/images/{red}/ask", json={"question": "what is this?"}, headers=JSON).get_json()
        == last
    )


def test_answer_says_how_well_it_fits_as_a_statement(written: Callable[..., Shelf]) -> None:
    shelf = written(Scribe())
    red = shelf.id_of("a/red one.png")
    told = ask(shelf, red, "How many boats are there?").get_json()
    assert told["answer"] == "two" and told["statement"] == "two boats" and 0 <= told["itm_probability"] <= 1
    assert ask(shelf, red, "why?").get_json()["statement"] is None
    same = shelf.service.explain("two boats", red)["itm_probability"]
    assert told["itm_probability"] == pytest.approx(same, abs=1e-5)


def test_beams_give_their_answer_in_one_piece(written: Callable[..., Shelf]) -> None:
    shelf = written(Scribe())
    body = {"question": "what is this?", "num_beams": 5}
    told = events(shelf.client.post(f"/api/v1/pictures/{shelf.id_of('a/red one.png')}/ask", json=body))
    assert [name for name, _ in told if name != "waiting"] == ["token", "answer"]
    assert told[-2][1] == {"token": "it is all red", "text": "it is all red"}


def test_history_goes_before_the_question(written: Callable[..., Shelf]) -> None:
    scribe = Scribe()
    shelf = written(scribe)
    turns = [{"question": "what is this?", "answer": "a boat"}, {"question": "is it red?", "answer": "yes"}]
    assert ask(shelf, 1, "is it far?", history=turns).status_code == 200
    heard = scribe.heard[-1]
    assert heard.index("a boat") < heard.index("is it red?") < heard.index("yes") < heard.index("is it far?")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"question": ""},
        {"question": "  \n"},
        {"question": 5},
        {"question": "a" * 501},
        {"question": "a", "histroy": []},
        {"question": "a", "history": "b"},
        {"question": "a", "num_beams": 0},
        {"question": "a", "num_beams": True},
        {"question": "a", "num_beams": "5"},
        {"question": "a", "history": [{"question": "b", "answer": "c"}] * 9},
        {"question": "a", "history": [{"question": "b"}]},
        {"question": "a", "history": [{"question": "b" * 501, "answer": "c"}]},
        ["question"],
    ],
)
def test_question_that_cannot_be_is_refused_at_once(written: Callable[..., Shelf], body: Any) -> None:
    scribe = Scribe()
    answer = written(scribe).client.post("/api/v1/pictures/1/ask", json=body)
    assert answer.status_code == 400 and answer.mimetype == "application/problem+json"
    assert answer.get_json()["hint"] and scribe.batches == []


def test_question_of_ten_thousand_letters_is_told_the_limit(written: Callable[..., Shelf]) -> None:
    told = ask(written(Scribe()), 1, "w" * 10_000)
    assert told.status_code == 400 and "10,000" in told.get_json()["detail"] and "500" in told.get_json()["detail"]
    assert ask(written(Scribe()), 1, "w" * 100_000).status_code == 413


def test_server_without_a_generator_says_so(shelf: Shelf) -> None:
    told = ask(shelf, 1)
    assert told.status_code == 409 and "--generator" in told.get_json()["hint"]
    assert shelf.client.get("/api/v1/pictures/1/caption").status_code == 404
    assert shelf.client.get("/api/v1/pictures/1").get_json()["caption"] is None
    assert ask(shelf, 999).status_code == shelf.client.get("/api/v1/pictures/999/caption").status_code == 404


def test_caption_is_checked_kept_and_shown(written: Callable[..., Shelf]) -> None:
    scribe = Scribe()
    shelf = written(scribe)
    blue = shelf.id_of("blue four.png")
    told = shelf.client.get(f"/api/v1/images/{blue}/caption").get_json()
    assert told["text"] == "a blue thing" and told["generator"] == "scribe" and 0 <= told["itm_probability"] <= 1
    calls = len(scribe.batches)
    assert shelf.client.get(f"/api/v1/pictures/{blue}/caption").get_json() == told
    assert shelf.client.get(f"/api/v1/pictures/{blue}").get_json()["caption"] == told
    assert len(scribe.batches) == calls
    again = shelf.client.post(f"/api/v1/pictures/{blue}/caption").get_json()
    assert again["text"] == told["text"] and len(scribe.batches) > calls


def test_caption_is_answered_while_somebody_else_writes(written: Callable[..., Shelf]) -> None:
    scribe = Scribe()
    shelf = written(scribe)
    with writing(shelf.store):
        told = shelf.client.get("/api/v1/pictures/1/caption").get_json()
        calls = len(scribe.batches)
        assert shelf.client.get("/api/v1/pictures/1/caption").get_json() == told
    assert told["text"] and told["made_at"] and len(scribe.batches) == calls


def test_captions_are_shown_by_a_server_without_a_generator(written: Callable[..., Shelf]) -> None:
    shelf = written(Scribe())
    told = shelf.client.get("/api/v1/pictures/1/caption").get_json()
    other = written(GenerationService())
    assert other.client.get("/api/v1/pictures/1/caption").status_code == 404
    with writing(other.store) as writer:
        from imgsearch.storage.reads.captions import read_captions

        writer.write_captions([read_captions(shelf.store, [1])[1]])
    assert other.client.get("/api/v1/pictures/1/caption").get_json()["text"] == told["text"]


def test_generator_that_does_not_fit_is_refused_in_plain_words(written: Callable[..., Shelf]) -> None:
    def load() -> Any:
        raise NotEnoughMemory("it does not fit into the memory of cpu", "take a smaller generator")

    shelf = written(GenerationService(load, "large"))
    told = ask(shelf, 1)
    assert told.status_code == 503 and told.get_json()["hint"] == "take a smaller generator"
    streamed = events(shelf.client.post("/api/v1/pictures/1/ask", json={"question": "what?"}))
    assert streamed[-1][0] == "problem" and "does not fit" in streamed[-1][1]["detail"]


def test_questions_that_wait_together_are_one_batch(written: Callable[..., Shelf]) -> None:
    gate = Gate()
    scribe = Scribe(gate.hold)
    shelf = written(scribe)
    answers: list[Any] = []

    def question(number: int) -> None:
        answers.append((number, ask(shelf, number).get_json()["answer"]))

    threads = [threading.Thread(target=question, args=(number,)) for number in range(1, 5)]
    threads[0].start()
    assert gate.reached.acquire(timeout=60)
    for thread in threads[1:]:
        thread.start()
    generation = shelf.app.extensions["imgsearch.texts"].generation
    while generation.gauges()["generator_waiting"][1] < 4:
        pass
    assert shelf.client.get("/api/v1/search?q=red").status_code == 200  # a search does not wait for any of them
    gate.open()
    for thread in threads:
        thread.join(60)
    assert scribe.batches == [1, 3]
    assert dict(answers) == {number: ask(shelf, number).get_json()["answer"] for number in range(1, 5)}


def test_more_than_the_limit_are_told_to_come_again(written: Callable[..., Shelf]) -> None:
    gate = Gate()
    shelf = written(Scribe(gate.hold), waiting=1)
    first = threading.Thread(target=ask, args=(shelf, 1))
    first.start()
    assert gate.reached.acquire(timeout=60)
    told = ask(shelf, 1)
    assert told.status_code == 503 and told.headers["Retry-After"]
    gate.open()
    first.join(60)
    assert ask(shelf, 1).status_code == 200


def test_stream_that_is_closed_ends_between_two_words(written: Callable[..., Shelf]) -> None:
    gate = Gate()
    scribe = Scribe(gate.hold)
    shelf = written(scribe, waiting=1)
    answer = shelf.client.post("/api/v1/pictures/1/ask", json={"question": "what?"}, buffered=False)
    pieces = iter(answer.response)
    gate.open(1)
    while b"event: token" not in next(pieces):
        pass
    answer.close()
    assert gate.reached.acquire(timeout=60) and gate.reached.acquire(timeout=60)  # it is at its second word
    gate.open(1)
    generation = shelf.app.extensions["imgsearch.texts"].generation
    while generation.gauges()["generator_waiting"][1]:
        pass
    assert not gate.reached.acquire(blocking=False)  # and did not come to a third
    assert generation.counts()["generator_dropped"][1] == 1 and generation.counts()["generator_written"][1] == 0
    gate.open()
    assert ask(shelf, 1).status_code == 200


def test_picture_that_is_gone_harms_no_other_question(written: Callable[..., Shelf]) -> None:
    shelf = written(Scribe())
    gone = shelf.id_of("blue four.png")
    (shelf.photos / "blue four.png").unlink()
    told = ask(shelf, gone)
    assert told.status_code == 410 and "index" in told.get_json()["hint"]
    assert ask(shelf, shelf.id_of("a/red one.png")).get_json()["answer"] == "it is all red"
