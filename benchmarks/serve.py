"""The server under load: a real child process, real HTTP, distinct queries, re-rank on.

    python benchmarks/serve.py [--library DIR] [--seconds 120] [--clients 64] [--no-write]
    python benchmarks/serve.py --baseline PATH [--seconds 30] [--no-write]

600 drawn scenes and the small model, unless a library is named; its pictures' features are kept, as after any use. One
client first, then many, each asking its next question when the last one is answered. Every query is asked once, and
equal queries are never answered together. Four servers, one after the other:

  turns     no batching, one query at the model at a time: what the searcher does by itself
  free      no batching, every thread asks the model when it likes
  batching  what `imgsearch serve` does

--baseline PATH measures batching of another checkout beside this one, each with a library of its own that the older one
made: in turns, so that a machine that others use favours neither. 600 scenes, two turns of 30 s: 5 minutes on two
quiet cores.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from results import add_flags, markdown_table, write_section, writes

ROOT = Path(__file__).resolve().parents[1]
SCENES, SEED = 600, 2026
TURNS = 2
WARM_QUERIES = 400
MODES = ("turns", "free", "batching")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, help="an indexed library; 600 scenes are drawn and indexed otherwise")
    parser.add_argument("--baseline", type=Path, help="another checkout to measure beside this one, batching alone")
    parser.add_argument("--seconds", type=float, help="of load by many clients (120; beside another checkout 30)")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    add_flags(parser)
    parser.add_argument("--child", choices=MODES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        serve(arguments.library, arguments.child)
        return
    if arguments.quick:
        arguments.seconds, arguments.clients = 10, 16
    arguments.seconds = arguments.seconds or (30 if arguments.baseline else 120)
    with tempfile.TemporaryDirectory() as scratch:
        library = (
            arguments.library.resolve()
            if arguments.library
            else made_library(Path(scratch), arguments.baseline or ROOT)
        )
        if arguments.baseline:
            rows = list(beside(arguments.baseline.resolve(), library, Path(scratch), arguments))
        else:
            rows = [row for mode in arguments.modes for row in measure(Build(ROOT, library), mode, arguments)]
    head = ["server", "clients", "answers", "errors", "a second", "p50 ms", "p95 ms", "p99 ms", "p95 / p50"]
    lines = markdown_table([*head, "CPU ms each", "memory MB, a third in", "at the end", "cores others took"], rows)
    lines += ["", *comparison(rows)]
    print("\n".join(lines))
    if writes(arguments):
        also = " beside another build" if arguments.baseline else ""
        write_section(f"Serving, {arguments.clients} clients{also} (benchmarks/serve.py)", lines)


@dataclass(frozen=True)
class Build:
    """A checkout, and the library that it serves."""

    checkout: Path
    library: Path
    name: str = ""

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(self.checkout)}


def beside(other: Path, library: Path, scratch: Path, arguments: argparse.Namespace) -> Iterator[list[object]]:
    """Rows of both checkouts, in turns."""
    builds = [Build(other, scratch / "before", ", before"), Build(ROOT, scratch / "now")]
    for build in builds:
        shutil.copytree(library, build.library, symlinks=True)
    for turn in range(TURNS):
        for build in builds:
            yield from measure(build, "batching", arguments, alone=turn == 0)


def made_library(folder: Path, checkout: Path) -> Path:
    """Drawn scenes, indexed by the older of the builds: a newer one reads its libraries."""
    from imgsearch.scenes.dataset import make_set, write_set

    write_set(make_set(SCENES, SEED, twins=True), folder / "pictures")
    command = [sys.executable, "-m", "imgsearch", "index", str(folder / "pictures" / "images"), "--model", "mini"]
    command += ["--library", str(folder / "library"), "--quiet"]
    subprocess.run(command, check=True, env=Build(checkout, folder).environment, cwd=checkout)
    return folder / "library"


def serve(library: Path, mode: str) -> None:
    """The child: `imgsearch serve` but for the switches."""
    from imgsearch.app import open_searcher
    from imgsearch.settings import load_settings
    from web import create_app
    from web.config import WebConfig
    from web.http.context import DRAINING
    from web.server import Server
    from web.services.search_service import SearchService, ServiceLimits

    searcher = open_searcher(load_settings({"library": library}))
    if mode == "free":
        searcher.backend._lock = contextlib.nullcontext()  # type: ignore[attr-defined]
    config = WebConfig()
    service = SearchService(searcher, ServiceLimits(config.searches, coalesce=False, batching=mode == "batching"))
    app = create_app(service, config)
    draining = app.extensions[DRAINING]
    threads = config.searches + config.streams + 16
    server = Server(app, "127.0.0.1", 0, threads=threads, max_body_bytes=1_000_000, draining=draining)
    server.leave_on_signals()
    print(server.address[1], flush=True)
    server.run()
    service.close()


@dataclass
class Load:
    """What the clients saw."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Child:
    """The server's process."""

    def __init__(self, build: Build, mode: str) -> None:
        script = build.checkout / "benchmarks" / "serve.py"
        command = [sys.executable, str(script), "--child", mode, "--library", str(build.library)]
        started = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=build.environment, cwd=build.checkout
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.started_s = time.perf_counter() - started

    def memory_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found[1]) / 1000 if found else float("nan")

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def others_s(self) -> float:
        """CPU seconds that neither the server nor this process took, since the machine started."""
        busy = Path("/proc/stat").read_text(encoding="ascii").split("\n")[0].split()[1:]
        used = sum(
            int(ticks) for place, ticks in enumerate(busy[:8]) if place not in (3, 4)
        )  # neither idle nor waiting
        return used / os.sysconf("SC_CLK_TCK") - self.cpu_s() - time.process_time()

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def measure(build: Build, mode: str, arguments: argparse.Namespace, *, alone: bool = True) -> Iterator[list[object]]:
    """A row for one client ``alone``, a row for many."""
    texts = questions()
    child = Child(build, mode)
    name = f"{mode}{build.name}"
    try:
        put_load(child, 8, texts, count=WARM_QUERIES)
        if alone:
            yield run(child, name, 1, texts, max(10.0, arguments.seconds / 6))
        yield run(child, name, arguments.clients, texts, arguments.seconds)
    finally:
        child.end()


def run(child: Child, mode: str, clients: int, texts: Iterator[str], seconds: float) -> list[object]:
    cpu, others, begun = child.cpu_s(), child.others_s(), time.perf_counter()
    third = [0.0]
    timer = threading.Timer(seconds / 3, lambda: third.__setitem__(0, child.memory_mb()))
    timer.start()
    load = put_load(child, clients, texts, seconds=seconds)
    timer.join()
    took, cpu, others = time.perf_counter() - begun, child.cpu_s() - cpu, child.others_s() - others
    for error in load.errors[:3]:
        print(f"{mode}: {error}", file=sys.stderr)
    ordered = sorted(load.seconds)
    p50, p95, p99 = (1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.95, 0.99))
    count = len(ordered)
    figures = [count / took, p50, p95, p99, p95 / p50, 1000 * cpu / count, third[0], child.memory_mb(), others / took]
    return [mode, clients, count, len(load.errors), *figures]


def put_load(child: Child, clients: int, texts: Iterator[str], *, seconds: float = 1e9, count: int = 1 << 60) -> Load:
    """``clients`` threads that ask until the time or the count is over."""
    load, left, until = Load(), [count], time.perf_counter() + seconds

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", child.port, timeout=120)
        while True:
            with load.lock:
                left[0] -= 1
                if left[0] < 0 or time.perf_counter() > until:
                    break
                text = next(texts)
            began = time.perf_counter()
            failure = asked(connection, text)
            with load.lock:
                if failure:
                    load.errors.append(failure)
                else:
                    load.seconds.append(time.perf_counter() - began)
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return load


def asked(connection: http.client.HTTPConnection, text: str) -> str:
    """What went wrong; "" if nothing did."""
    try:
        connection.request("GET", f"/api/v1/search?limit=50&all=1&q={quote(text)}")
        answer = connection.getresponse()
        body: Any = json.loads(answer.read())
    except Exception as error:  # noqa: BLE001
        connection.close()
        return repr(error)
    if answer.status != 200:
        return f"{answer.status}: {body}"
    return "" if len(body["hits"]) == 50 and body["reranked"] else f"{text}: {len(body['hits'])} hits"


def questions() -> Iterator[str]:
    """Captions of drawn scenes, none twice."""
    from imgsearch.scenes.captions import any_statement, say
    from imgsearch.scenes.graph import Domain, sample_scene

    rng, given = random.Random(SEED), set()
    while True:
        scene = sample_scene(rng, Domain())
        text = say(any_statement(scene, rng), rng.getrandbits(32))
        if text not in given:
            given.add(text)
            yield text


def comparison(rows: list[list[object]]) -> list[str]:
    found: dict[str, list[float]] = {}
    for row in rows:
        if row[1] != 1:
            found.setdefault(str(row[0]), []).append(float(str(row[4])))
    rate = {name: sum(rates) / len(rates) for name, rates in found.items()}
    batching = rate.get("batching")
    others = {"turns": "turns", "free": "free", "batching, before": "the other build"}
    return [
        f"Batching answers {batching / rate[mode]:.2f} times as many as {said}."
        for mode, said in others.items()
        if batching and mode in rate
    ]


if __name__ == "__main__":
    main()
