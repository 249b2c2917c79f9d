"""The library's page: counts, failures, and index runs that are watched. True runs are in test_first_run.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from stand import Site


def test_library_shows_counts_folders_and_settings(open_page: Callable[..., Any], site: Site) -> None:
    page = open_page("/library")
    status = page.evaluate("async () => (await fetch('/api/v1/status')).json()")
    assert page.inner_text("[data-count=images]") == str(status["images"])
    assert str(site.pictures) in page.inner_text("main") and "Every file could be read" in page.inner_text("main")
    assert status["model"]["name"] in page.inner_text(".facts")


def test_run_is_told_as_its_events_come(open_page: Callable[..., Any]) -> None:
    page = open_page("/duplicates")
    progress = {"total": 200, "done": 50, "failed": 2, "images_per_s": 12.5, "seconds_left": 12.0}
    running = {"id": 1, "state": "running", "progress": progress, "summary": None, "message": ""}
    counts = {"new": 148, "changed": 0, "moved": 1, "removed": 0, "failed": 2}
    over = running | {"state": "finished", "summary": counts}
    events = [("jobs", {"jobs": [running]}), ("job", running | {"state": "stopping"}), ("job", running)]

    def answer(more: list[tuple[str, Any]]) -> Callable[[Any], None]:
        body = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in more)
        return lambda route: route.fulfill(body=body, content_type="text/event-stream")

    page.route("**/jobs/stream", answer(events))
    page.click("text=Library")
    page.wait_for_selector("#stop:not([disabled])")
    assert page.inner_text("#run-pace") == "50 of 200 files · 13 pictures/s · 12 s left · 2 failures"
    assert page.get_attribute("#run-bar", "max") == "200" and page.is_hidden("#start")
    page.unroute("**/jobs/stream")
    page.route("**/jobs/stream", answer([*events, ("job", over), ("end", {})]))
    page.reload()
    page.wait_for_selector("text=Done: 148 pictures added, 1 moved, 2 could not be read.")
    assert page.is_visible("#start") and page.is_hidden("#run-bar")
