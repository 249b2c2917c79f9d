"""`imgsearch job run` and `resume`."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
from dataclasses import asdict
from pathlib import Path

from imgsearch.cli.output.progress import phases
from imgsearch.errors import UsageError
from imgsearch.wording import counted, one_line
from indexer.interrupt import Stop
from indexer.jobs.driver import RunReport, RunRequest, run_job
from indexer.jobs.report import equation


def run(arguments: argparse.Namespace) -> int:
    """Run what is not done."""
    request = RunRequest(
        Path(arguments.job).expanduser(),
        arguments.engine,
        arguments.workers or 0,
        arguments.decode_workers or 0,
        arguments.address,
        _part(arguments.shards),
        arguments.check,
        arguments.retry,
    )
    with phases(arguments) as progress, Stop() as stop:
        report = run_job(request, progress, stop)
        code = stop.exit_code if report.interrupted else report.exit_code
    print(json.dumps(_as_dict(report, code), indent=2) if arguments.json else _text(report, whole=request.part[1] == 1))
    for outcome in report.errors[:1]:
        print(f"imgsearch: {one_line(outcome.message)}", file=sys.stderr)
        if outcome.hint:
            print(f"  {one_line(outcome.hint)}", file=sys.stderr)
    return code


def _part(word: str | None) -> tuple[int, int]:
    """The part that ``--shards`` names."""
    if word is None:
        return 1, 1
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", word)
    if found is None:
        raise UsageError(f"received --shards {one_line(word)}, expected i/n", "for example --shards 3/16")
    return int(found[1]), int(found[2])


def _as_dict(report: RunReport, code: int) -> dict[str, object]:
    return {
        "job": report.spec.folder,
        **asdict(report.sums),
        "shards_of_this_run": report.done,
        "run_seconds": report.seconds,
        "interrupted": report.interrupted,
        "errors": [{"shard": outcome.shard, "message": outcome.message} for outcome in report.errors],
        "exit_code": code,
    }


def _text(report: RunReport, *, whole: bool) -> str:
    sums, folder = report.sums, shlex.quote(report.spec.folder)
    part = "" if whole else " of this part"
    lines = [
        f"{counted(report.done, 'shard')} done in {report.seconds:,.1f} s; {sums.shards_done:,} of "
        f"{counted(sums.shards, 'shard')}{part} {'is' if sums.shards == 1 else 'are'} committed.",
        equation(sums),
    ]
    if not sums.complete:
        lines.append(f"Go on with: imgsearch job resume {folder}")
    elif whole:
        lines.append(f"Next: imgsearch job publish {folder}")
    if sums.failed:
        lines.append(f"What failed, and why: imgsearch job report {folder}")
    return "\n".join(map(one_line, lines))
