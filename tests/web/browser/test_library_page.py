"""The library's page: counts, failures, and index runs that are watched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from album import draw_album, index_album
from gestures import search, shown_ids, until
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


@pytest.fixture
def drawn_site(browser: Any, servers: ExitStack, tmp_path: Path) -> Site:
    """`imgsearch serve` over twelve drawn pictures and the small model that ships, in a process of its own."""
    draw_album(tmp_path / "pictures", 12, side=120)
    (tmp_path / "later").mkdir()
    for path in sorted((tmp_path / "pictures").rglob("*.jpg"))[:2]:
        shutil.move(path, tmp_path / "later" / path.name)
    index_album(tmp_path / "pictures", tmp_path / "library")
    command = [sys.executable, "-m", "imgsearch", "serve", "--library", str(tmp_path / "library"), "--port", "0"]
    process = servers.enter_context(
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"})
    )
    servers.callback(process.terminate)
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1].rstrip("/")
    return Site(url, tmp_path / "library", tmp_path / "pictures")


@pytest.mark.slow
def test_new_pictures_are_found_after_a_run_from_the_page(open_page: Callable[..., Any], drawn_site: Site) -> None:
    page = open_page("/library", url=drawn_site.url)
    assert page.inner_text("[data-count=images]") == "10"
    shutil.copytree(drawn_site.pictures.parent / "later", drawn_site.pictures / "Latecomers")
    (drawn_site.pictures / "Latecomers" / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    page.click("#start")
    page.wait_for_selector("#stop", state="visible")
    until(page, "document.querySelector('#run-says').textContent.startsWith('Done')", 200)
    assert "2 pictures added, 1 could not be read" in page.inner_text("#run-says")
    until(page, "document.querySelector('[data-count=images]').textContent === '12'")
    until(page, "document.querySelector('#failures').textContent.includes('broken.jpg')")
    page.click("a.brand")
    search(page, "folder:Latecomers")
    assert len(shown_ids(page)) == 2
    search(page, "width:>10")
    assert len(shown_ids(page)) == 12
