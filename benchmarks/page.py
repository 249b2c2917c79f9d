"""The first page on a slow line: Chromium, 50 kB/s, 400 ms, nothing kept from before.

    python benchmarks/page.py [--baseline PATH] [--library DIR] [--rate 50] [--delay 400] [--no-write]

96 drawn scenes and the small model, unless a library is named. The line is DevTools' own emulation: every answer begins
400 ms after its request, and all bytes share the rate. Measured from the navigation on:

  first tile   the first picture of the grid is decoded and painted
  window full  all pictures that can be seen without scrolling are
  full load    nothing has been sent for half a second: pictures ahead of the window and scripts are there too
  before       bytes on the wire, heads included, of what is no picture, up to the load event

--baseline PATH measures another checkout beside this one, over a copy of the same library, and tells the shares: two
minutes on two quiet cores.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results import add_flags, markdown_table, write_section, writes

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "web"), str(ROOT / "tests" / "web" / "browser")]

SCENES = 96
WINDOW = {"width": 1280, "height": 800}
QUIET_S = 0.5

_SHOWN = """() => {
  const tiles = [...document.querySelectorAll('.tile:not([hidden]) img')];
  const inside = ({ top, bottom }) => top < innerHeight && bottom > 0;
  const seen = tiles.filter((one) => inside(one.getBoundingClientRect()));
  const there = (one) => one.complete && one.naturalWidth > 0;
  return [tiles.length > 0 && there(tiles[0]), seen.length > 0 && seen.every(there), seen.length];
}"""


@dataclass
class Load:
    """Seconds from the navigation on, and bytes."""

    first_s: float = 0.0
    window_s: float = 0.0
    full_s: float = 0.0
    before_bytes: int = 0
    picture_bytes: int = 0
    requests: int = 0
    pictures: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baseline", type=Path, help="another checkout to measure beside this one")
    parser.add_argument("--library", type=Path, help="an indexed library; 96 scenes are drawn and indexed otherwise")
    parser.add_argument("--rate", type=float, default=50, help="kB/s of the line (50)")
    parser.add_argument("--delay", type=float, default=400, help="ms until an answer begins (400)")
    parser.add_argument("--times", type=int, default=3, help="loads of each build; the median is told (3)")
    add_flags(parser)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.times = 1
    with tempfile.TemporaryDirectory() as scratch:
        baseline = arguments.baseline.resolve() if arguments.baseline else None
        library = arguments.library or made_library(Path(scratch), baseline or ROOT)
        builds = [("before", baseline), ("this build", ROOT)] if baseline else [("this build", ROOT)]
        measured = []
        for name, path in builds:  # each with a library of its own: a newer build migrates it
            shutil.copytree(library, own := Path(scratch) / name, symlinks=True)
            measured.append((name, measure(path, own, arguments)))
    head = ["build", "first tile s", "window full s", "full load s", "before pictures kB", "pictures kB", "requests"]
    lines = markdown_table(head, [row(name, load) for name, load in measured])
    if arguments.baseline:
        lines += ["", shares(measured[0][1], measured[1][1])]
    print("\n".join(lines))
    if writes(arguments):
        title = f"First page at {arguments.rate:g} kB/s and {arguments.delay:g} ms (benchmarks/page.py)"
        write_section(title, lines)


def row(name: str, load: Load) -> list[object]:
    sizes = (load.before_bytes / 1000, load.picture_bytes / 1000)
    return [name, load.first_s, load.window_s, load.full_s, *sizes, load.requests]


def shares(before: Load, now: Load) -> str:
    told = (
        (name, getattr(now, field) / getattr(before, field))
        for name, field in (("first tile", "first_s"), ("window full", "window_s"), ("full load", "full_s"))
    )
    return "Shares of before: " + ", ".join(f"{name} {share:.2f}" for name, share in told) + "."


def made_library(folder: Path, checkout: Path) -> Path:
    """Drawn scenes in the shapes of cameras, indexed by the older build: a newer one reads its libraries."""
    import album

    album.draw_album(folder / "pictures", SCENES, side=620)
    command = [sys.executable, "-m", "imgsearch", "index", str(folder / "pictures"), "--model", "mini", "--quiet"]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    subprocess.run([*command, "--library", str(folder / "library")], check=True, env=environment, cwd=checkout)
    return folder / "library"


def measure(checkout: Path, library: Path, arguments: argparse.Namespace) -> Load:
    """The medians over some loads of a checkout's page."""
    from playwright.sync_api import sync_playwright
    from stand import ARGUMENTS, CHROMIUM

    with serving(checkout, library) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        one_load(browser, url, 1e6, 0)  # makes the thumbnails
        loads = [one_load(browser, url, arguments.rate, arguments.delay) for _ in range(arguments.times)]
        browser.close()
    names = list(Load.__dataclass_fields__)
    return Load(**{name: statistics.median(getattr(load, name) for load in loads) for name in names})


@contextmanager
def serving(checkout: Path, library: Path) -> Iterator[str]:
    """`imgsearch serve` of a checkout."""
    command = [sys.executable, "-m", "imgsearch", "serve", "--library", str(library), "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=checkout) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split()[-1]
        finally:
            server.terminate()


def one_load(browser: Any, url: str, rate: float, delay: float) -> Load:
    """Open the page in a context without a past, and watch it until the line is quiet."""
    context = browser.new_context(viewport=WINDOW)
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    line = {"offline": False, "latency": delay, "downloadThroughput": 1000 * rate, "uploadThroughput": 1000 * rate}
    session.send("Network.emulateNetworkConditions", line)
    asked: dict[str, str] = {}
    begun: list[float] = []
    ended: list[tuple[float, str, int]] = []
    loaded: list[float] = []

    def sent(event: dict[str, Any]) -> None:
        begun.append(event["timestamp"])
        asked[event["requestId"]] = event["request"]["url"]

    session.on("Network.requestWillBeSent", sent)
    session.on(
        "Network.loadingFinished",
        lambda event: ended.append((event["timestamp"], asked[event["requestId"]], event["encodedDataLength"])),
    )
    session.on("Page.loadEventFired", lambda event: loaded.append(event["timestamp"]))
    session.send("Page.enable")
    page.goto(url, wait_until="commit", timeout=120_000)
    load = Load()
    watch(page, load, begun, ended)
    start = begun[0]
    load.full_s = max(at for at, _, _ in ended) - start
    until = loaded[0] if loaded else float("inf")
    pictures = [size for _, name, size in ended if "/thumbnail" in name]
    load.before_bytes = sum(size for at, name, size in ended if "/thumbnail" not in name and at <= until)
    load.picture_bytes, load.pictures, load.requests = sum(pictures), len(pictures), len(ended)
    context.close()
    return load


def watch(page: Any, load: Load, begun: list[float], ended: list[tuple[float, str, int]]) -> None:
    """Look every 20 ms until all that was asked for has come and nothing more is asked. The page's own clock counts
    from the navigation on."""
    quiet = 0
    while quiet * 0.02 < QUIET_S or not load.window_s:
        first, window, _ = page.evaluate(_SHOWN)
        now = page.evaluate("performance.now()") / 1000
        load.first_s = load.first_s or (now if first else 0.0)
        load.window_s = load.window_s or (now if window else 0.0)
        quiet = quiet + 1 if len(ended) >= len(begun) else 0
        page.wait_for_timeout(20)


if __name__ == "__main__":
    main()
