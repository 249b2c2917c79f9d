"""`imgsearch job status` and `report`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from imgsearch.cli.output.progress import phases
from indexer.jobs.report import job_report, job_status, named
from indexer.jobs.spec import open_job


def status(arguments: argparse.Namespace) -> int:
    """Say how far a job is; 0 whether it is complete or not."""
    found = job_status(Path(arguments.job).expanduser())
    print(json.dumps(found.as_dict(), indent=2) if arguments.json else found.text())
    return 0


def report(arguments: argparse.Namespace) -> int:
    """Count or name what became of the inputs."""
    folder = Path(arguments.job).expanduser()
    if arguments.list:
        spec = open_job(folder)
        some = False
        for line in named(spec, arguments.list):
            some = True
            print(json.dumps(line.split("\t")) if arguments.json else line)
        return 0 if some else 1
    with phases(arguments) as progress:
        found = job_report(folder, progress)
    print(json.dumps(found.as_dict(), indent=2) if arguments.json else found.text())
    return found.exit_code
