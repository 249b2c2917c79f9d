"""Thumbnails of 640 px on screens of double density, and no byte more on others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gestures import search, until

LOADED = "[...document.querySelectorAll('.tile img[src]')].slice(0, 8).every((one) => one.complete)"
SOURCES = "found => found.slice(0, 8).map((one) => one.currentSrc.includes('size=medium'))"
SIZES = "found => found.slice(0, 12).map((one) => [one.closest('.tile').dataset.id, one.sizes])"


def test_tiles_are_sharp_on_dense_screens_and_light_on_plain_ones(open_page: Callable[..., Any]) -> None:
    for density, medium in ((1, False), (2, True)):
        page = open_page("/", device_scale_factor=density)
        home = page.url
        for path in ("", "timeline"):
            if path:
                page.goto(home + path)
            until(page, f"document.querySelectorAll('.tile img[src]').length > 7 && {LOADED}")
            assert page.eval_on_selector_all(".tile img[src]", SOURCES) == 8 * [medium], (density, path)
    wide = open_page("/", viewport={"width": 2560, "height": 1000})
    until(wide, f"document.querySelectorAll('.tile img[src]').length > 7 && {LOADED}")
    told = wide.eval_on_selector_all(
        ".tile img[src]",
        "found => found.slice(0, 12).map((one) => [one.currentSrc.includes('medium'), one.width / one.height > 1.46])",
    )
    assert all(sharp == large for sharp, large in told) and len({sharp for sharp, _ in told}) == 2


def test_the_server_and_the_script_tell_equal_sizes(page: Any) -> None:
    told = dict(page.eval_on_selector_all(".tile img[src]", SIZES))
    search(page, "width:>1")
    until(page, "document.querySelectorAll('.tile img[src]').length > 7")
    again = dict(page.eval_on_selector_all(".tile img[src]", SIZES))
    both = told.keys() & again.keys()
    assert len(both) > 5 and all(told[one] == again[one] for one in both)
