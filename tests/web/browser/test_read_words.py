"""Words read in a picture: beside it, over it, and marked where the query asks for them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from gestures import open_first, search, until
from stand import Site, served
from test_everyone import check_with_axe

from imgsearch.storage import StoredText, TextLine, TextWord, open_store, writing
from web.config import WebConfig

BOX = (0.2, 0.3, 0.8, 0.3, 0.8, 0.5, 0.2, 0.5)
LEFT = (0.2, 0.3, 0.5, 0.3, 0.5, 0.5, 0.2, 0.5)


@pytest.fixture
def page(album: Site, servers: ExitStack, tmp_path: Any, open_page: Callable[..., Any]) -> Any:
    library = shutil.copytree(album.library, tmp_path / "library")
    with open_store(library) as store, writing(store) as writer:
        words = (TextWord("Zebra", LEFT, 0.9), TextWord("10031", BOX, 0.9))
        writer.write_texts([StoredText(1, (TextLine("Zebra 10031", BOX, 0.9, words),), "reader 1", "f")])
    config = WebConfig(secret_key=b"w" * 32)
    return open_page("/", url=servers.enter_context(served(library, album.pictures, config)).url)


def test_words_are_marked_shown_chosen_and_hidden(page: Any) -> None:
    search(page, "zebra 10031")
    open_first(page)
    until(page, "document.querySelectorAll('.viewer .read .matched').length === 2")
    assert page.locator(".read-words mark").all_inner_texts() == ["Zebra", "10031"]
    assert "Read in the picture" in page.inner_text(".because")
    place = page.locator(".read text").bounding_box()
    middle = place["y"] + place["height"] / 2
    page.mouse.move(place["x"] + 2, middle)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] - 2, middle, steps=3)
    page.mouse.up()
    assert page.evaluate("getSelection().toString()").strip() == "Zebra 10031"
    check_with_axe(page)
    page.get_by_role("button", name="Show in the picture").click()
    assert page.locator(".read").count() == 0
