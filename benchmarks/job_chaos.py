"""Kills drivers, workers and decoders of a job at random moments, and compares what it publishes with what an
undisturbed job does."""

from __future__ import annotations

import hashlib
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections import Counter
from pathlib import Path

from PIL import Image

_SEED = 16
_SHARDS = 80


def chaos_lines(model: str, pictures: int, kills: int, folder: Path) -> list[str]:
    """The result in sentences. Raises SystemExit if anything differs."""
    draw = random.Random(_SEED)
    inputs, bad = make_inputs(folder, pictures, draw)
    jobs = {name: folder / name for name in ("calm", "killed")}
    size = max(20, pictures // _SHARDS)
    for job in jobs.values():
        create = ["create", "--input", *map(str, inputs), "--output", str(job), "--model", model, "--device", "cpu"]
        run_verb([*create, "--shard-size", str(size), "--quiet"])
    started = time.monotonic()
    run_verb(["run", str(jobs["calm"]), "--workers", "2", "--quiet"], expected=3)
    calm = time.monotonic() - started
    started = time.monotonic()
    killed = run_with_kills(jobs["killed"], kills, calm, draw)
    disturbed = time.monotonic() - started
    digests = set()
    for job in jobs.values():
        run_verb(["publish", str(job), "--quiet"], expected=3)
        subprocess.run([*program(), "verify", "--library", str(job / "library")], check=True, stdout=subprocess.DEVNULL)
        digests.add(digest(job / "library"))
    if len(digests) != 1:
        raise SystemExit(f"the libraries differ: {jobs}")
    sums = counted(jobs["killed"])
    if sums["failed"] != bad or sums["inputs"] != sums["embedded"] + sums["copy"] + sums["failed"]:
        raise SystemExit(f"the account is wrong: {sums}, expected {bad} failures")
    shutil.rmtree(folder)
    text = ", ".join(f"{count} {what}" for what, count in sorted(killed.items()))
    return [
        f"Chaos, model {model}: {sums['inputs']:,} inputs (a folder and archives, one of them truncated) in shards of "
        f"{size}, two workers: {sums['embedded']:,} embedded + {sums['copy']:,} known copies + {sums['failed']:,} "
        f"failed by name. Killed by signal 9: {text}. The published library is byte-identical to that of an "
        f"undisturbed run (sha256 {digests.pop()[:16]}), `verify` is clean; {calm:,.0f} s undisturbed, "
        f"{disturbed:,.0f} s with the kills.",
    ]


def make_inputs(folder: Path, pictures: int, draw: random.Random) -> tuple[list[Path], int]:
    """A folder with half of the pictures and archives with the others; how many inputs must fail."""
    loose, shards = folder / "loose", folder / "shards"
    loose.mkdir(parents=True)
    shards.mkdir()
    drawn = []
    for seed in range(32):
        noise = random.Random(seed).randbytes(6 * 8 * 3)
        image = Image.frombytes("RGB", (8, 6), noise).resize((160, 120), Image.Resampling.BICUBIC)
        into = io.BytesIO()
        image.save(into, "PNG" if seed % 2 else "JPEG")
        drawn.append((".png" if seed % 2 else ".jpg", into.getvalue()))
    bad, archives = 0, max(2, pictures // 2000)
    members: list[list[tuple[str, bytes]]] = [[] for _ in range(archives)]
    for number in range(pictures):
        suffix, data = drawn[number % len(drawn)]
        content = data + f"#{number}".encode() if number % 50 else drawn[0][1]  # one in fifty is equal to the first
        if number % 97 == 13:
            bad += 1
            content = draw.choice((b"", b"no picture " * 30, data[: len(data) // 2], bytes(3000)))
        name = f"{number:06d}{suffix}"
        if number % 2:
            (loose / name).write_bytes(content)
        else:
            members[number * archives // pictures].append((name, content))
    for number, held in enumerate(members):
        path = shards / f"{number:04d}.tar"
        with tarfile.open(path, "w") as archive:
            for name, content in held:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    lost = truncate(shards / "0000.tar")
    return [loose, shards / "*.tar"], bad + lost


def truncate(path: Path) -> int:
    """Cut an archive in the middle of its last good member. How many more inputs must fail: that member, and the
    archive's end."""
    with tarfile.open(path) as archive:
        held = archive.getmembers()
    last = next(member for member in reversed(held) if member.size > 1000 and int(Path(member.name).stem) % 97 != 13)
    for member in held[held.index(last) + 1 :]:
        if int(Path(member.name).stem) % 97 == 13:
            raise SystemExit("draw the inputs with another seed: a bad file is behind the cut")
    os.truncate(path, last.offset_data + last.size // 2)
    return 2


def run_with_kills(job: Path, kills: int, calm: float, draw: random.Random) -> Counter[str]:
    """Run a job to its end, and kill ``kills`` of its processes on the way, spread over the time of an undisturbed
    run."""
    done: Counter[str] = Counter()
    driver = start(job)
    while driver.poll() is None or done.total() < kills:
        if driver.poll() is not None:
            if driver.returncode not in (0, 3, -signal.SIGKILL):
                raise SystemExit(f"the job ended with {driver.returncode}")
            if complete(job):
                raise SystemExit(f"the job ended after {done.total()} of {kills} kills: take more pictures")
            driver = start(job)
        if done.total() == kills:
            driver.wait()
            break
        time.sleep(draw.uniform(0.2, 1.4) * calm / (kills + 4))
        workers = children(driver.pid)
        decoders = [pid for worker in workers for pid in children(worker)]
        if not decoders:  # nothing is at work yet
            continue
        what, pids = draw.choice((("drivers", [driver.pid]), ("workers", workers), ("decoders", decoders)))
        try:
            os.kill(draw.choice(pids), signal.SIGKILL)
        except ProcessLookupError:
            continue
        done[what] += 1
        if what == "drivers":
            driver.wait()
    while not complete(job):
        if start(job).wait() not in (0, 3):
            raise SystemExit("the job does not come to its end")
    return done


def start(job: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*program(), "job", "run", str(job), "--workers", "2", "--quiet"], stdout=subprocess.DEVNULL
    )


def children(pid: int) -> list[int]:
    """The processes that a process has started and that are there."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return found


def complete(job: Path) -> bool:
    from indexer.jobs.report import job_status

    return job_status(job).sums.complete


def counted(job: Path) -> dict[str, int]:
    """Every input, from the rows of the shards."""
    from imgsearch.progress import Silence
    from indexer.jobs.report import job_report

    return job_report(job, Silence()).as_dict()


def run_verb(words: list[str], expected: int = 0) -> None:
    code = subprocess.run([*program(), "job", *words], stdout=subprocess.DEVNULL).returncode
    if code != expected:
        raise SystemExit(f"imgsearch job {' '.join(words)} ended with {code}, expected {expected}")


def program() -> list[str]:
    return [sys.executable, "-m", "imgsearch"]


def digest(library: Path) -> str:
    """sha256 over the names and bytes of all files."""
    found = hashlib.sha256()
    for path in sorted(library.rglob("*")):
        if path.is_file():
            found.update(str(path.relative_to(library)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()
