#!/usr/bin/env bash
# Ray Data ends a job, and throws its results away, because a task that is at work took more than half an hour.
#
# A run in which no output was taken for 1,800 s (execution_no_progress_timeout_s) is ended with ExecutionTimeoutError, whatever
# its tasks do meanwhile: a function that prints, uses the CPU and would end well counts as no progress. Rows that other
# tasks have already given are lost to the caller of take_all. Long tasks are what batch jobs are made of: a shard of
# 10,000 pictures takes hours on a CPU. So that it takes seconds here, the limit is set to 3 s; its default is printed and
# checked. Takes a minute on two idle cores, most of it to install and start Ray, and several on a busy machine. Here indexer/jobs/on_ray/engine.py turns it off, and tests/indexer/jobs/test_ray_engine.py holds that.
# Source: ray 2.60.0, as on PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    'ray[data]==2.60.0'
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import time

import ray
from ray.data import ActorPoolStrategy, DataContext

ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
context = DataContext.get_current()
context.enable_progress_bars = False
default = context.execution_no_progress_timeout_s
print("ray", ray.__version__, "- default limit", default, "s")


class Works:
    """The first row takes 8 s of work, the others nothing."""

    def __call__(self, row):
        end = time.monotonic() + (8 if row["id"] == 0 else 0)
        while time.monotonic() < end:
            sum(range(10_000))
        return row


def run(limit):
    context.execution_no_progress_timeout_s = limit
    rows = ray.data.range(2, override_num_blocks=2).map(Works, compute=ActorPoolStrategy(size=1))
    try:
        return f"{len(rows.take_all())} rows"
    except Exception as error:
        return type(error).__name__


found = {limit: run(limit) for limit in (3, -1)}
for limit, end in found.items():
    print(f"limit {limit}: {end}")
ray.shutdown()
as_found = default == 1800 and found[3] == "ExecutionTimeoutError" and found[-1] == "2 rows"
sys.exit(0 if as_found else "this behaves in another way now")
PYTHON
echo "as found: ended in the middle of its work"
