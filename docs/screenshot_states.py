"""The states of the page that docs/screenshots.py takes pictures of: what a person does until one is seen."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / "web" / name) for name in ("", "browser")]

from gestures import READY, open_first, search, until, wait_for_answer  # noqa: E402

QUERY = "two orange fish over a blue heart in the desert"
NOTHING = "a submarine in a supermarket"
UNKNOWN = "a Volkswagen beside a blue heart"
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}


@dataclass(frozen=True)
class Shot:
    """A picture of this name below docs; ``act`` is given the first page of the library."""

    name: str
    act: Callable[[Any], None]
    scheme: str = "light"
    options: dict[str, Any] = field(default_factory=lambda: DESKTOP)

    @property
    def stem(self) -> str:
        """The name without its folder."""
        return Path(self.name).name


def show_newest(page: Any) -> None:
    """The first page as it is."""
    page.mouse.move(0, 0)


def show_answer(page: Any) -> None:
    """An answer with what is less sure, too."""
    search(page, QUERY)
    page.click("text=Show less sure ones too")
    wait_for_answer(page)
    page.evaluate("document.activeElement.blur()")


def choose_filter(page: Any) -> None:
    """A year is chosen, and the menu of folders is open."""
    search(page, "blue hearts")
    page.click("text=Year")
    page.click("#menu-years button >> nth=1")
    wait_for_answer(page)
    page.click("text=Folder")
    page.wait_for_selector("#menu-folders button")


def choose_place(page: Any) -> None:
    """The menu of places is open."""
    page.click("#facets >> text=Place")
    page.wait_for_selector("#menu-places button")


def look_closer(page: Any) -> None:
    """The lightbox with the heat map of a word."""
    show_answer(page)
    open_first(page)
    if page.viewport_size["width"] < 700:
        page.click("[data-do=info]")
    page.wait_for_selector(".words button")
    page.click(".words >> text=heart")
    page.wait_for_timeout(500)


def ask_about(page: Any) -> None:
    """A picture with its caption, and two questions answered."""
    search(page, "a blue heart")
    open_first(page)
    for number, question in enumerate(("what colour is the heart?", "is there a fish?"), 1):
        page.fill(".ask input", question)
        page.press(".ask input", "Enter")
        until(page, f"document.querySelectorAll('.ask .answer:not(.waiting)').length === {number}")
    page.evaluate("document.activeElement.blur()")


def show_library(page: Any) -> None:
    """The library's own page."""
    page.goto(page.url.rstrip("/") + "/library")


def find_nothing(page: Any) -> None:
    """Nothing matches with confidence; the closest few."""
    search(page, NOTHING)
    until(page, "document.querySelectorAll('.tile').length > 0")


def be_unsure(page: Any) -> None:
    """A description with words that the model does not know."""
    search(page, UNKNOWN)
    page.wait_for_selector("#notes li, #nothing:not([hidden])")
    page.evaluate("document.activeElement.blur()")


def lose_server(page: Any) -> None:
    """The server does not answer; the page goes on when it does."""
    for path in ("**/api/v1/search**", "**/healthz"):
        page.route(path, lambda route: route.abort())
    page.fill("#q", "a blue heart")
    page.press("#q", "Enter")
    page.wait_for_selector("#again")


def find_server_again(page: Any) -> None:
    """The same page once the server is back: nobody has done anything."""
    lose_server(page)
    for path in ("**/api/v1/search**", "**/healthz"):
        page.unroute(path)
    until(page, "document.querySelectorAll('.tile').length > 0")
    wait_for_answer(page)
    page.evaluate("document.activeElement.blur()")


def open_lost(page: Any) -> None:
    """A picture whose file was deleted since; it is the first of the page."""
    open_first(page)
    page.wait_for_selector(".viewer .lost")


def review_copies(page: Any) -> None:
    """One group accepted, and where two pictures differ."""
    page.goto(page.url.rstrip("/") + "/duplicates")
    page.keyboard.press("j")
    page.keyboard.press("a")
    page.wait_for_selector("#tray:not([hidden])")
    page.wait_for_timeout(1000)
    while page.locator(".twins.at [data-do=differ]").count() < 2:
        page.keyboard.press("j")
    page.click(".twins.at [data-do=differ] >> nth=1")
    page.wait_for_selector("canvas")


def map_at(place: str) -> Callable[[Any], None]:
    """The map of places, where ``place`` says (degrees north, degrees east, zoom)."""

    def show(page: Any) -> None:
        page.goto(f"{page.url.rstrip('/')}/map?at={place}")
        until(page, "document.querySelector('#map').ariaBusy === 'false'")
        page.wait_for_load_state("networkidle")

    return show


def open_place(page: Any) -> None:
    """The pictures of one place on the map."""
    map_at("44.5,1.5,4.3")(page)
    page.click("#listed a >> nth=0")
    until(page, "document.querySelector('#map').ariaBusy === 'false' && document.querySelector('.tray img')")
    page.evaluate("document.activeElement.blur()")


def choose_album(page: Any) -> None:
    """Pictures are chosen and made favourites, and go into an album."""
    page.goto(page.url.rstrip("/") + "/?q=a+heart&all=1")
    wait_for_answer(page)
    until(page, READY)
    for number in (0, 1, 3, 4, 6):
        page.focus(f".tile >> nth={number} >> a")
        page.keyboard.press("x")
    page.click(".chosen-bar [data-do=favourite]")
    page.wait_for_selector(".toast")
    page.click(".chosen-bar [data-do=album]")
    page.wait_for_selector(".picker li button")


def show_albums(page: Any) -> None:
    """The page of albums."""
    page.goto(page.url.rstrip("/") + "/albums")
    page.wait_for_load_state("networkidle")


def show_album(page: Any) -> None:
    """One album, with its download."""
    search(page, "album:Hearts")
    page.wait_for_selector("#album-zip")
    page.evaluate("document.activeElement.blur()")


def order_by_date(page: Any) -> None:
    """An answer by date."""
    page.goto(page.url.rstrip("/") + "/?q=a+heart&all=1&sort=newest")
    wait_for_answer(page)
    until(page, "document.querySelector('.grid.dated')")
    page.evaluate("document.activeElement.blur()")


def show_months(page: Any) -> None:
    """The library by date."""
    page.goto(page.url.rstrip("/") + "/timeline")
    until(page, "document.querySelectorAll('.timeline .tile img').length > 8")
    page.mouse.wheel(0, 900)
    page.wait_for_timeout(900)


def offer_recent(page: Any) -> None:
    """Earlier searches under the field."""
    until(page, READY)
    for words in ("a red boat", "two orange fish year:2023", "in the snow"):
        search(page, words)
    page.fill("#q", "")
    page.press("#q", "ArrowDown")
    page.wait_for_selector(".recall [data-search]")


def play_slides(page: Any) -> None:
    """A slide with its bar."""
    until(page, READY)
    page.focus(".tile >> nth=1 >> a")
    page.keyboard.press("p")
    page.wait_for_selector(".slides img.on")
    page.wait_for_timeout(900)


def show_keys(page: Any) -> None:
    """The sheet of keys."""
    until(page, READY)
    page.keyboard.press("?")
    page.wait_for_selector("dialog.keys-sheet[open]")


def open_on_phone(page: Any) -> None:
    """A picture with its acts, on a phone."""
    until(page, READY)
    page.tap(".tile >> nth=1 >> a")
    page.wait_for_selector("dialog.viewer[open]")
    page.tap("[data-do=info]")
    page.wait_for_selector(".viewer .panel dl")


SHOTS: tuple[Shot, ...] = (
    Shot("images/newest-light", show_newest),
    Shot("images/search-light", show_answer),
    Shot("images/search-dark", show_answer, "dark"),
    Shot("images/filter-light", choose_filter),
    Shot("images/search-phone-light", show_answer, options=PHONE),
    Shot("images/search-phone-dark", show_answer, "dark", PHONE),
    Shot("images/lightbox", look_closer),
    Shot("images/lightbox-phone", look_closer, "dark", PHONE),
    Shot("images/library-light", show_library),
    Shot("images/library-dark", show_library, "dark"),
    Shot("screenshots/unsure", be_unsure),
    Shot("screenshots/server-gone", lose_server, "dark"),
    Shot("screenshots/server-back", find_server_again, "dark"),
    Shot("screenshots/by-date", order_by_date),
    Shot("screenshots/months", show_months),
    Shot("screenshots/recent", offer_recent),
    Shot("screenshots/slides", play_slides),
    Shot("screenshots/keys", show_keys),
    Shot("screenshots/picture-phone-dark", open_on_phone, "dark", PHONE),
    Shot("screenshots/filter-phone", choose_filter, options=PHONE),
)
WRITTEN = (Shot("images/ask", ask_about), Shot("images/ask-phone", ask_about, "dark", PHONE))
COLLECTED = (
    Shot("screenshots/album-picker", choose_album),
    Shot("screenshots/album-picker-phone", choose_album, "dark", PHONE),
    Shot("screenshots/albums", show_albums),
    Shot("screenshots/album", show_album, "dark"),
)
MAPS = (
    Shot("images/map-light", map_at("44.5,6,4.3")),
    Shot("images/map-dark", open_place, "dark"),
    Shot("images/map-phone", map_at("44.5,4,3.6"), options=PHONE),
    Shot("screenshots/places", choose_place),
)
UNSURE = (Shot("images/nothing-light", find_nothing),)
LOST = (Shot("screenshots/lost", open_lost),)
COPIED = (Shot("images/duplicates-light", review_copies), Shot("images/duplicates-dark", review_copies, "dark", PHONE))
