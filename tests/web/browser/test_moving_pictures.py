"""Odd formats in the grid and in the lightbox: what moves, panoramas, and what the browser cannot show by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colour_shelf import ColourModel, index_pictures
from gestures import until
from PIL import Image
from stand import LIVELY, Site, served

from imgsearch.storage import create_store
from web.config import WebConfig

FILM = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0\0\0\x08free"
MOVING = ("red.gif", "green.png", "blue.webp")


@pytest.fixture(scope="module")
def odd_site(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("odd")
    photos = folder / "photos"
    photos.mkdir()
    frames = [Image.new("RGB", (160, 120), tone) for tone in ("red", "lime", "blue")]
    for number, name in enumerate(MOVING):
        first, *more = frames[number:] + frames[:number]
        first.save(photos / name, save_all=True, append_images=more, duration=100, loop=0)
    noise = np.random.default_rng(5).integers(0, 255, (40, 600, 3), np.uint8)
    Image.fromarray(noise).resize((3000, 200)).save(photos / "wide.jpg")
    Image.new("RGB", (180, 120), "navy").save(photos / "live.jpg")
    (photos / "live.MOV").write_bytes(FILM)
    Image.new("RGB", (300, 200), "teal").save(photos / "scan.tif")
    names = sorted(path.name for path in photos.iterdir() if path.suffix != ".MOV")
    with create_store(folder / "library", ColourModel().model_id) as store:
        index_pictures(store, photos, names)
    with served(folder / "library", photos, WebConfig(secret_key=b"o" * 32)) as site:
        yield site


def tile(name: str) -> str:
    return f".tile:has(img[alt^='{name}'])"


def test_pictures_move_under_the_mouse_and_in_the_lightbox(open_page: Callable[..., Any], odd_site: Site) -> None:
    page = open_page("/", odd_site.url, **LIVELY)
    page.wait_for_selector(".moves >> nth=3")
    badges = page.eval_on_selector_all(
        ".tile:has(.moves)",
        "tiles => tiles.map((tile) => [tile.querySelector('img').alt, tile.querySelector('.moves').textContent])",
    )
    assert dict(badges) == {"live.jpg": "Live", **dict.fromkeys(MOVING, "Moves")}
    wide = page.eval_on_selector(f"{tile('wide')} img", "(image) => [image.naturalWidth, image.naturalHeight]")
    assert wide[1] >= 130, "a panorama is as sharp as its neighbours"
    for name in MOVING:
        page.hover(f"{tile(name)} a")
        page.wait_for_selector(f"{tile(name)} .moving.on")
    page.hover(f"{tile('wide')} a")
    until(page, "!document.querySelector('.moving')")
    with page.expect_response("**/film") as film:
        page.hover(f"{tile('live')} a")
    assert film.value.status in (200, 206) and film.value.headers["content-type"] == "video/mp4"
    until(page, "!document.querySelector('.moving')")  # this one cannot be played, and leaves the still
    page.click(f"{tile('red.gif')} a")
    page.wait_for_selector(".stage .moving.on")
    page.click(".stage .play")
    assert not page.locator(".stage .moving").count() and page.inner_text(".stage .play") == "Play"
    page.keyboard.press("Escape")
    page.click(f"{tile('live')} a")
    page.wait_for_selector("text=This browser cannot play it")
    assert page.is_disabled(".stage .play") and not page.locator(".stage .moving").count()


def test_nothing_moves_by_itself_when_motion_is_unwanted(open_page: Callable[..., Any], odd_site: Site) -> None:
    page = open_page("/", odd_site.url, reduced_motion="reduce")
    page.wait_for_selector(".moves >> nth=3")
    page.hover(f"{tile('red.gif')} a")
    page.wait_for_timeout(300)
    assert not page.locator(".moving").count()
    page.click(f"{tile('red.gif')} a")
    page.wait_for_selector(".stage .play")
    assert not page.locator(".moving").count()
    page.click(".stage .play")
    page.wait_for_selector(".stage .moving.on")


def test_a_format_that_browsers_do_not_show_is_zoomed_in_full(open_page: Callable[..., Any], odd_site: Site) -> None:
    page = open_page("/", odd_site.url)
    page.click(f"{tile('scan')} a")
    page.wait_for_selector(".viewer dl")
    with page.expect_response("**/full") as answered:
        page.keyboard.press("+")
    assert answered.value.headers["content-type"] == "image/jpeg"
    assert Path(odd_site.pictures / "scan.tif").exists()
    until(page, "document.querySelectorAll('.frame img')[1].src.endsWith('/full')")
    assert page.evaluate("document.querySelectorAll('.frame img')[1].decode().then(() => 1)") == 1
