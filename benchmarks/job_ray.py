"""A job on Ray beside the local engine, and on a cluster of three nodes whose nodes, workers and drivers are killed.

    python benchmarks/job_ray.py [--model mini] [--pictures 20000] [--kills 20] [--quick]

The same drawn pictures, the same shards, one worker with all cores: first the local engine, then a Ray of its own on
this machine. "Start" is the time until the first shard is committed, less what a shard takes afterwards: for Ray its
processes, its actor and the model; for the local engine a process and the model. Then three nodes of one CPU each, as
processes of this machine, with a driver that is started again when it is killed; a node that dies is replaced. The
published libraries of all three must be equal, byte for byte.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from job_chaos import digest, program, run_verb
from results import add_flags, markdown_table, write_section, writes

_SHARDS, _SEED = 80, 17
_CPUS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=20, help="0 leaves the cluster out")
    parser.add_argument("--note", default="", help="a sentence for RESULTS.md: what else the machine was doing")
    parser.add_argument("--scratch", type=Path, help="keeps the pictures for the next time")
    add_flags(parser)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.pictures, arguments.kills = min(arguments.pictures, 200), min(arguments.kills, 2)
    with tempfile.TemporaryDirectory(prefix="imgsearch-bench-") as temporary:
        folder = Path(temporary)
        pictures = (arguments.scratch or folder) / f"drawn-{arguments.pictures}"
        draw(pictures, arguments.pictures)
        lines = compare(arguments, pictures, folder)
    if arguments.note:
        lines += ["", arguments.note]
    print("\n".join(lines))
    if writes(arguments):
        write_section("Jobs on Ray (benchmarks/job_ray.py)", lines)


def draw(folder: Path, count: int) -> None:
    """``count`` scenes of 160 x 160 pixels, kept if they are there."""
    if folder.is_dir() and len(list(folder.glob("*.png"))) == count:
        return
    folder.mkdir(parents=True, exist_ok=True)
    parts = [(str(folder), first, min(count, first + 100)) for first in range(0, count, 100)]
    with multiprocessing.get_context("spawn").Pool() as pool:
        for _ in pool.imap_unordered(_drawn, parts):
            pass


def _drawn(part: tuple[str, int, int]) -> None:
    from imgsearch.scenes.draw import draw_scene
    from imgsearch.scenes.graph import Domain, sample_scene

    folder, first, stop = part
    for number in range(first, stop):
        scene = sample_scene(random.Random(f"job:{number}"), Domain())
        draw_scene(scene, 160)[0].save(Path(folder) / f"{number:06d}.png", compress_level=1)


def compare(arguments: argparse.Namespace, pictures: Path, folder: Path) -> list[str]:
    size = max(100, arguments.pictures // _SHARDS)
    words = ["--model", arguments.model, "--device", "cpu", "--shard-size", str(size), "--quiet"]
    run_verb(["create", "--input", str(pictures), "--output", str(folder / "local"), *words])
    names = ["local", "ray", *(["killed"] if arguments.kills else [])]
    for name in names[1:]:
        shutil.copytree(folder / "local", folder / name)
    rows, seconds = list[tuple[Any, ...]](), dict[str, float]()
    for name in names[:2]:
        rows.append((name, *_timed(folder / name, name, size)))
        seconds[name] = rows[-1][1]
    lines = markdown_table(("engine", "seconds in all", "of it the start", "images/s afterwards", "CPU seconds"), rows)
    over = 100 * (seconds["ray"] / seconds["local"] - 1)
    steady = 100 * (rows[0][3] / rows[1][3] - 1)
    cpu = 100 * (rows[1][4] / rows[0][4] - 1)
    lines += [
        "",
        f"Ray takes {over:.1f} % longer in all, {steady:.1f} % longer for a picture once it is running, and {cpu:.1f} "
        "% more CPU time.",
    ]
    if arguments.kills:
        killed = run_on_cluster(folder / "killed", arguments.kills, seconds["local"])
        text = ", ".join(f"{count} {what}" for what, count in sorted(killed.items()))
        lines += ["", f"A cluster of three nodes, killed by signal 9: {text}."]
    digests = set()
    for name in names:
        run_verb(["publish", str(folder / name), "--quiet"])
        digests.add(digest(folder / name / "library"))
    if len(digests) != 1:
        raise SystemExit(f"the libraries of {', '.join(names)} differ")
    sums = _sums(folder / names[-1])
    lines += [
        "",
        f"{sums.inputs:,} inputs = {sums.embedded:,} embedded + {sums.copies:,} known copies + "
        f"{sums.failed:,} failed, in shards of {size}. All {len(names)} libraries are byte-identical "
        f"(sha256 {digests.pop()[:16]}).",
    ]
    return lines


def _timed(job: Path, engine: str, size: int) -> tuple[float, float, float, float]:
    """(seconds of a run, seconds before its first shard was begun, images/s from the first to the last, CPU seconds of
    all its processes)."""
    command = [*program(), "job", "run", str(job), "--engine", engine, "--workers", "1", "--quiet"]
    began, took = time.monotonic(), dict[int, float]()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        for pid in {process.pid} | _descendants(process.pid):
            with contextlib.suppress(OSError, ValueError, IndexError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                took[pid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        time.sleep(0.25)
    if process.returncode:
        raise SystemExit(f"{engine} ended with {process.returncode}")
    whole = time.monotonic() - began
    events = [json.loads(line) for line in (job / "events" / "all.jsonl").read_text().splitlines()]
    done = [event for event in events if event["event"] == "shard-done"]
    between = done[-1]["elapsed"] - done[0]["elapsed"]
    images = sum(event["inputs"] for event in done[1:])
    return whole, done[0]["elapsed"] - size * between / images, images / between, sum(took.values())


def _sums(job: Path) -> Any:
    """The account, as the disk has it."""
    from indexer.jobs.driver import job_sums
    from indexer.jobs.spec import open_job

    return job_sums(open_job(job))


def run_on_cluster(job: Path, kills: int, calm: float) -> Counter[str]:
    """Run a job to its end on three nodes, and kill ``kills`` of its workers, nodes and drivers on the way."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    draw, done, total = random.Random(_SEED), Counter[str](), _sums(job).shards
    size = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=size)
    nodes = [_add(cluster) for _ in range(_CPUS - 1)]
    try:
        driver = _drive(job, cluster.address)
        shards = -1
        while driver.poll() is None or not _sums(job).complete:
            if driver.poll() is not None:
                driver = _drive(job, cluster.address)
            time.sleep(0.05)
            held = len(list((job / "shards").iterdir()))
            due = done.total() < kills and held > shards + total / (kills + 5)
            if not due:  # one kill for each few shards, so that they are spread over the job
                continue
            shards = held
            time.sleep(draw.uniform(0, calm / total))
            what = draw.choice(("workers", "workers", "nodes", "drivers"))
            if what == "drivers":
                driver.kill()
                driver.wait()
            elif what == "nodes":
                cluster.remove_node(nodes.pop(draw.randrange(len(nodes))), allow_graceful=False)
                nodes.append(_add(cluster))
            elif not _kill_worker(draw):
                continue
            done[what] += 1
    finally:
        with contextlib.suppress(Exception):
            cluster.shutdown()
    return done


def _add(cluster: Any) -> Any:
    return cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)


def _drive(job: Path, address: str) -> subprocess.Popen[bytes]:
    command = [*program(), "job", "run", str(job), "--engine", "ray", "--address", address, "--workers", str(_CPUS)]
    return subprocess.Popen([*command, "--quiet"], stdout=subprocess.DEVNULL)


def _kill_worker(draw: random.Random) -> bool:
    """Ends one of the actors of this benchmark's own cluster."""
    ours, found = _descendants(os.getpid()), []
    for pid in ours:
        with contextlib.suppress(OSError):
            if b"ShardActor" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    if found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(draw.choice(sorted(found)), signal.SIGKILL)
            return True
    return False


def _descendants(pid: int) -> set[int]:
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found, more = {pid}, True
    while more:
        more = {child for child, parent in parents.items() if parent in found and child not in found}
        found |= more
    return found - {pid}


if __name__ == "__main__":
    main()
