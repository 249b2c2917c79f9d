"""A worker process of the local engine: reads numbers of shards from standard input, answers in lines of JSON.

It ends as soon as its driver is gone, however that ended: nobody is left behind who still holds a shard.
"""

from __future__ import annotations

import dataclasses
import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

from indexer.jobs.shards.results import ShardSums
from indexer.jobs.spec import open_job
from indexer.jobs.worker import ShardOutcome, ShardWorker

STOP = b"stop"


def main(arguments: list[str]) -> int:
    """``arguments``: the job's folder, and how many processes decode. Returns the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver handles Ctrl-C
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever libraries print goes where their complaints go
    stopped = threading.Event()
    numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, numbers, stopped), daemon=True).start()
    spec = open_job(Path(arguments[0]))

    def told(images: int) -> None:
        _say(answers, {"told": images})

    worker = ShardWorker(spec, decode_workers=int(arguments[1]), stop=stopped.is_set, told=told)
    with worker:
        while True:
            outcome = worker.embed(spec.shards[numbers.get()])
            _say(answers, {"outcome": dataclasses.asdict(outcome)})


def read_outcome(data: dict[str, Any]) -> ShardOutcome:
    """The outcome in an answer."""
    sums = data.pop("sums")
    return ShardOutcome(**data, sums=None if sums is None else ShardSums(**sums))


def _listen(source: BinaryIO, numbers: queue.SimpleQueue[int], stopped: threading.Event) -> None:
    for line in source:
        if line.strip() == STOP:
            stopped.set()
        else:
            numbers.put(int(line))
    os._exit(0)  # in the middle of whatever it is: a shard in the making is worth nothing without a driver


def _say(answers: BinaryIO, data: dict[str, Any]) -> None:
    try:
        answers.write(json.dumps(data).encode("ascii") + b"\n")
        answers.flush()
    except OSError:
        os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
