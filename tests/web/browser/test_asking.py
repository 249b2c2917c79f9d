"""Captions and questions in the lightbox, and on a picture's own page."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from gestures import open_first, search, shown_ids, until
from scribe import Gate, Scribe, scribe_service
from stand import Site, Watched, served
from test_everyone import check_with_axe

from web.config import WebConfig
from web.services.generation import GenerationService

BUSY = "document.querySelector('.turns[aria-busy=true]')"


@dataclass
class Speaking:
    """A site whose generator says a word whenever ``gate`` is opened."""

    site: Site
    gate: Gate
    scribe: Scribe
    generation: GenerationService


@pytest.fixture
def speaking(album: Site, servers: ExitStack, tmp_path: Any) -> Speaking:
    library = shutil.copytree(album.library, tmp_path / "library")
    gate = Gate()
    scribe = Scribe(gate.hold)
    generation = scribe_service(scribe)
    config = WebConfig(secret_key=b"g" * 32)
    site = servers.enter_context(served(library, album.pictures, config, generation=generation))
    servers.callback(generation.close)
    servers.callback(gate.open)
    return Speaking(site, gate, scribe, generation)


@pytest.fixture
def page(open_page: Callable[..., Any], speaking: Speaking) -> Any:
    return open_page("/", url=speaking.site.url)


def ask(page: Any, question: str) -> None:
    page.fill(".ask input", question)
    page.press(".ask input", "Enter")


def test_caption_stands_under_the_picture_and_is_its_alternative_text(page: Any, speaking: Speaking) -> None:
    speaking.gate.open()
    open_first(page)
    until(page, "document.querySelector('.viewer .caption')?.textContent")
    text = page.inner_text(".viewer .caption")
    assert text.removeprefix("Perhaps ").startswith("a ") and text.endswith(" thing")
    assert page.get_attribute(".viewer .frame img >> nth=1", "alt") == text
    box, below = page.locator(".viewer .frame").bounding_box(), page.locator(".viewer .caption").bounding_box()
    assert below["y"] >= box["y"] + box["height"] - 1
    first = shown_ids(page)[0]
    page.goto(f"{speaking.site.url}/pictures/{first}")
    until(page, "document.querySelector('.alone .frame img:nth-child(2)')?.alt.endsWith(' thing')")
    assert page.inner_text(".alone .caption") == text


def test_sure_caption_is_the_alternative_text_of_the_tile(page: Any, speaking: Speaking) -> None:
    from imgsearch.storage import StoredCaption, open_store, writing

    sure = StoredCaption(shown_ids(page)[0], "a barn by a lake", 0.9, True, "g", "f", "float32", "", "{}")
    unsure = StoredCaption(shown_ids(page)[1], "a cow", 0.2, False, "g", "f", "float32", "", "{}")
    with open_store(speaking.site.library) as store, writing(store, wait_s=5) as writer:
        writer.write_captions([sure, unsure])
    page.reload()
    alts = page.eval_on_selector_all(".tile img", "all => all.slice(0, 2).map((one) => one.alt)")
    assert alts[0].startswith("a barn by a lake") and "cow" not in alts[1]
    search(page, "width:>0")
    assert page.locator("img[alt^='a barn by a lake']").count() == 1
    page.click(f".tile[data-id='{unsure.image_id}'] a")
    until(page, "document.querySelector('.viewer .caption')?.textContent === 'Perhaps a cow'")


def test_answer_comes_word_by_word_and_the_next_question_knows_it(page: Any, speaking: Speaking) -> None:
    speaking.gate.open()
    open_first(page)
    until(page, "document.querySelector('.viewer .caption')?.textContent")
    while speaking.gate.reached.acquire(blocking=False):
        pass
    speaking.gate.close()
    ask(page, "what is it?")
    assert page.input_value(".ask input") == "" and page.evaluate(f"!!{BUSY}")
    speaking.gate.open(2)
    until(page, "document.querySelector('.ask .answer:not(.waiting)')?.textContent === 'it is'")
    assert page.evaluate("document.activeElement.closest('.ask') !== null")
    speaking.gate.open()
    until(page, f"!{BUSY}")
    first = page.inner_text(".ask .answer")
    assert first.startswith("it is all ")
    ask(page, "how many are there?")
    until(page, f"!{BUSY} && document.querySelectorAll('.ask .answer').length === 2")
    assert page.locator(".ask .answer").nth(1).inner_text() == "two"
    assert "what is it?" in speaking.scribe.heard[-1] and first in speaking.scribe.heard[-1]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowRight")
    until(page, "!document.querySelector('.ask .answer')")
    page.keyboard.press("ArrowLeft")
    until(page, "document.querySelectorAll('.ask .answer').length === 2")  # what was said is there again


def test_escape_ends_the_answer_and_then_closes(page: Any, speaking: Speaking) -> None:
    speaking.gate.open()
    open_first(page)
    until(page, "document.querySelector('.viewer .caption')?.textContent")
    speaking.gate.close()
    ask(page, "i want 0 + 1, what is it?")
    until(page, f"!!{BUSY}")
    assert page.get_attribute(".ask button", "aria-label") == "Stop the answer"
    page.keyboard.press("Escape")
    until(page, f"!{BUSY}")
    assert page.locator("dialog.viewer[open]").count() and page.input_value(".ask input").startswith("i want 0 + 1")
    speaking.gate.open()
    until(page, "document.querySelector('.ask button').ariaLabel === 'Ask'")
    page.keyboard.press("Escape")
    until(page, "!document.querySelector('dialog[open]')")


def test_closing_ends_the_answer_for_the_server_too(page: Any, speaking: Speaking) -> None:
    speaking.gate.open()
    open_first(page)
    until(page, "document.querySelector('.viewer .caption')?.textContent")
    speaking.gate.close()
    before = speaking.generation.counts()["generator_written"][1]
    ask(page, "what is it?")
    until(page, f"!!{BUSY}")
    page.click(".viewer [data-do=close]")
    for _ in range(600):
        if speaking.generation.counts()["generator_dropped"][1]:
            break
        page.wait_for_timeout(50)
    assert speaking.generation.counts()["generator_dropped"][1] == 1
    speaking.gate.open()
    for _ in range(600):
        if not speaking.generation.gauges()["generator_waiting"][1]:
            break
        page.wait_for_timeout(50)
    assert speaking.generation.counts()["generator_written"][1] == before


def test_problem_is_told_and_the_question_kept(page: Any, speaking: Speaking, watched: Watched) -> None:
    speaking.gate.open()
    watched.expected.append("503")
    open_first(page)
    until(page, "document.querySelector('.viewer .caption')?.textContent")
    told = '{"title": "Busy", "detail": "too many wait", "hint": "try again in 2 s", "status": 503}'
    page.route("**/ask", lambda route: route.fulfill(status=503, body=told, content_type="application/problem+json"))
    ask(page, "what is it?")
    page.wait_for_selector(".ask .word-of-warning")
    assert page.inner_text(".ask .word-of-warning") == "Too many wait. Try again in 2 s."
    assert page.input_value(".ask input") == "what is it?"
    page.unroute("**/ask")
    page.press(".ask input", "Enter")
    page.wait_for_selector(".ask .answer:not(.waiting)")


def test_axe_finds_nothing_in_captions_and_answers(open_page: Callable[..., Any], speaking: Speaking) -> None:
    speaking.gate.open()
    page = open_page("/?q=red", url=speaking.site.url)
    open_first(page)
    until(page, "document.querySelector('.viewer .caption')?.textContent")
    page.wait_for_timeout(400)
    check_with_axe(page)
    ask(page, "what is it?")
    until(page, f"!{BUSY} && document.querySelector('.ask .answer')")
    check_with_axe(page)
    page.goto(f"{speaking.site.url}/pictures/{shown_ids(page)[0]}")
    until(page, "document.querySelector('.alone .caption').textContent")
    check_with_axe(page)


def test_nothing_of_it_is_there_without_a_generator(open_page: Callable[..., Any], site: Site) -> None:
    page = open_page("/", url=site.url)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_first(page)
    page.wait_for_selector(".viewer dl")
    page.wait_for_timeout(500)
    assert not page.locator(".ask").count() and page.locator(".viewer .caption").is_hidden()
    assert not [url for url in asked if "ask.js" in url or "caption" in url]
