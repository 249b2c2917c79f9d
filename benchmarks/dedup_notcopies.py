"""Files that look alike and are no copies: a plan moves none of them.

    python benchmarks/dedup.py --only notcopies [--pictures DIR ...] [--sets 3] [--families NAME ...] [--keep DIR]

Drawn files and files made of photographs, each with true copies beside it (imgsearch/scenes/not_copies), are written to
a folder; `imgsearch dedup find FOLDER` runs over it as a program of its own in a home of its own, once as it is and
once with the tier near. Ends with 1 where a plan moves what is no copy.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from results import markdown_table

from imgsearch.scenes.not_copies import FAMILIES, write_not_copies
from imgsearch.scenes.not_copies.judge import FamilyTally, judge

SEED = 815
RUNS = {"as it is": (), "with near": ("--tiers", "bytes,pixels,perceptual,near,part,stack,burst")}
_HEAD = ("family", "files", "not copies moved", "sources moved", "copies", "found", "moved", "near, not copies")


def measure(
    scratch: Path, photographs: Sequence[Path], sets: int, families: Sequence[str] = ()
) -> tuple[list[str], bool]:
    """The lines of the tables, and whether a plan has moved what is no copy."""
    folder = scratch / "not-copies"
    rows = write_not_copies(folder, SEED, photographs, sets, families=families)
    lines = [f"{len(rows)} files in {len({row.family for row in rows})} families of {sets} sets."]
    wrong = False
    for name, options in RUNS.items():
        plan, seconds = find(folder, scratch, options)
        tallies = judge(rows, folder, plan)
        wrong = wrong or any(tally.offences for tally in tallies.values())
        lines += ["", f"`dedup find` {name} ({seconds:.0f} s):", "", *_table(tallies)]
        lines += ["", *_offences(tallies)]
    return lines, wrong


def find(folder: Path, home: Path, options: Sequence[str] = ()) -> tuple[dict[str, Any], float]:
    """The plan of `imgsearch dedup find` as JSON, and the seconds it took; the home is ``home``."""
    plan = home / "plan.json"
    homes = {name: str(home / "home" / name.lower()) for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")}
    command = [sys.executable, "-m", "imgsearch", "dedup", "find", str(folder), "--plan", str(plan), "--quiet"]
    started = time.perf_counter()
    done = subprocess.run(
        [*command, *options], env={**os.environ, **homes, "HOME": str(home / "home")}, capture_output=True, text=True
    )
    if done.returncode not in (0, 3):
        raise SystemExit(f"{command} exited with {done.returncode}: {done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(plan.read_text(encoding="utf-8"))
    return told, time.perf_counter() - started


def _table(tallies: dict[str, FamilyTally]) -> list[str]:
    rows: list[list[object]] = []
    for family in [name for name in FAMILIES if name in tallies]:
        tally = tallies[family]
        sources = tally.count("the source") + tally.count("all are moved")
        rows.append([family, tally.files, tally.count("not a copy"), sources])
        rows[-1] += [tally.copies, tally.found, tally.moved, tally.near]
    sums = [sum(int(str(row[at])) for row in rows) for at in range(1, len(_HEAD))]
    return markdown_table(_HEAD, [*rows, ["all", *sums]])


def _offences(tallies: dict[str, FamilyTally]) -> list[str]:
    found = [offence for name in FAMILIES if name in tallies for offence in tallies[name].offences]
    return [f"- {one.what}: {one.path} for {one.keeper} ({one.tier} {one.score:.3f}; {one.why})" for one in found] or [
        "Nothing was moved that is not a copy."
    ]
