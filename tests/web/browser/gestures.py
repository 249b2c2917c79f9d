"""What a person does with the page, and what is seen then."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any

READY = "document.querySelector('[aria-controls=recalled]')"
"""What the page does without at first is there: choosing pictures, dropping them, earlier searches."""

SETTLED = "document.querySelector('#status') && !document.querySelector('#status.busy')"


def search(page: Any, words: str) -> None:
    """Type, press Enter, wait until the answer after ITM stands."""
    page.fill("#q", words)
    page.press("#q", "Enter")
    wait_for_answer(page)


def wait_for_answer(page: Any) -> None:
    until(page, f"{SETTLED} && !document.querySelector('.grid.waiting')")


def until(page: Any, expression: str, patience_s: float = 60.0) -> None:
    """Wait until a JavaScript expression holds, also on a page that is still to come. Playwright's own
    `wait_for_function` evaluates text inside the page, which the page's content policy forbids."""
    deadline = time.monotonic() + patience_s
    while not _holds(page, expression):
        assert time.monotonic() < deadline, f"{expression} did not come true"
        page.wait_for_timeout(40)


def _holds(page: Any, expression: str) -> bool:
    try:
        return bool(page.evaluate(expression))
    except Exception as error:
        if "context was destroyed" in str(error) or "navigat" in str(error):  # another page comes
            return False
        raise


def shown_ids(page: Any) -> list[int]:
    """Ids of the tiles, in the order that the page has them, held back ones too."""
    return list(page.eval_on_selector_all(".tile", "tiles => tiles.map((tile) => Number(tile.dataset.id))"))


def answered_ids(page: Any, query: str, **more: str) -> list[int]:
    """What the API answers."""
    given = {"q": query, "limit": "60", **more}
    told = page.evaluate("async (given) => (await fetch('/api/v1/search?' + new URLSearchParams(given))).json()", given)
    return [hit["image_id"] for hit in told["hits"]]


def boxes(page: Any) -> list[dict[str, float]]:
    """Where each tile is on the page, held back ones left out."""
    return list(
        page.eval_on_selector_all(
            ".tile:not([hidden])",
            """tiles => tiles.map((tile) => {
              const { x, y, width, height } = tile.getBoundingClientRect();
              return { id: Number(tile.dataset.id), x, y: y + scrollY, width, height };
            })""",
        )
    )


def open_first(page: Any) -> int:
    """Click the first tile; the id of its picture."""
    first = shown_ids(page)[0]
    page.click(f".tile[data-id='{first}'] a")
    page.wait_for_selector("dialog.viewer[open]")
    return first


def shown_picture(page: Any) -> int | None:
    """The id in the address."""
    found = page.evaluate("new URLSearchParams(location.search).get('picture')")
    return int(found) if found else None


def hand_over(page: Any, picture: Path, kind: str) -> None:
    """Drop or paste a file, as a browser tells a page of it. ``kind``: "drop" or "paste"."""
    until(page, READY)
    data = base64.b64encode(picture.read_bytes()).decode()
    page.evaluate(
        """async ([data, name, kind]) => {
          const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
          const carried = new DataTransfer();
          carried.items.add(new File([bytes], name, { type: 'image/jpeg' }));
          const way = { bubbles: true, cancelable: true };
          if (kind === 'paste') {
            document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: carried, ...way }));
          } else {
            for (const step of ['dragenter', 'dragover', 'drop']) {
              document.body.dispatchEvent(new DragEvent(step, { dataTransfer: carried, ...way }));
            }
          }
        }""",
        [data, picture.name, kind],
    )


def swipe(page: Any, selector: str, dx: int, dy: int = 0) -> None:
    """One finger across an element; the context must have touch."""
    box = page.locator(selector).bounding_box()
    x, y = box["x"] + box["width"] / 2 - dx / 2, box["y"] + box["height"] / 2 - dy / 2
    client = page.context.new_cdp_session(page)

    def send(kind: str, *points: dict[str, float]) -> None:
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

    send("touchStart", {"x": x, "y": y})
    for step in range(1, 6):
        send("touchMove", {"x": x + dx * step / 5, "y": y + dy * step / 5})
    send("touchEnd")
    client.detach()
