"""`imgsearch job` on this machine: its pipeline beside its slower stage, beside the tutorials' loop, and through kills.

    python benchmarks/job.py [--model mini] [--pictures 4000] [--chaos 20000] [--kills 20] [--quick]

Pipeline: one worker with one decoding process and one thread for the model, beside each stage alone with the same: one
core each. The tutorials' loop opens, converts, processes and embeds one picture after the other with transformers'
processor and network, on all cores; the job has the same cores.

Chaos (`job_chaos.py`): the same job twice, over folders and archives with damaged files and one truncated archive. One
runs undisturbed; of the other, drivers, workers and decoders are killed by signal 9 at random moments, and it goes on.
The two published libraries must be equal, byte for byte. Alone, with vectors, about half an hour of two quiet cores:

    python benchmarks/job.py --pictures 0 --model mini --chaos 20000 --kills 20
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
from index import cpu_seconds, make_large, make_small
from job_chaos import chaos_lines
from results import add_flags, markdown_table, write_section, writes

_TITLE = "Offline jobs (benchmarks/job.py)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--pictures", type=int, default=2000, help="small PNGs of the pipeline")
    parser.add_argument("--large", type=int, default=120, help="12-megapixel JPEGs of the pipeline")
    parser.add_argument("--loop", type=int, default=400, help="pictures of the tutorials' loop")
    parser.add_argument("--chaos", type=int, default=20_000, help="pictures of the chaos; 0 leaves it out")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--note", default="", help="a sentence for RESULTS.md: what else the machine was doing")
    add_flags(parser)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.pictures, arguments.large, arguments.loop, arguments.rounds = 64, 4, 8, 1
        arguments.chaos, arguments.kills = min(arguments.chaos, 300), min(arguments.kills, 3)
    lines = []
    with tempfile.TemporaryDirectory(prefix="imgsearch-bench-") as folder:
        if arguments.pictures:
            lines += pipeline_lines(arguments, Path(folder))
        if arguments.chaos:
            lines += ["", *chaos_lines(arguments.model, arguments.chaos, arguments.kills, Path(folder) / "chaos")]
    if arguments.note:
        lines += ["", arguments.note]
    print("\n".join(lines))
    if writes(arguments):
        write_section(_TITLE, lines)


def pipeline_lines(arguments: argparse.Namespace, folder: Path) -> list[str]:
    import torch

    from imgsearch.model import load_model

    cores = torch.get_num_threads()
    model = load_model(arguments.model, device="cpu")
    rows = []
    for name, count, make in (
        ("320x240 PNG", arguments.pictures, make_small),
        ("12-megapixel JPEG", arguments.large, make_large),
    ):
        pictures = folder / name
        pictures.mkdir()
        make(pictures, count)
        torch.set_num_threads(1)
        measured = [stages(model, pictures, count, arguments.model) for _ in range(arguments.rounds)]
        torch.set_num_threads(cores)
        loop = min(arguments.loop, count)
        beside = [against_loop(model, pictures, loop, count, arguments.model) for _ in range(arguments.rounds)]
        columns = [statistics.median(column) for column in zip(*measured, strict=True)]
        columns += [statistics.median(column) for column in zip(*beside, strict=True)]
        rows.append((name, *columns))
    header = ["pictures", "decode alone", "encode alone", "pipeline", "of its slower stage", "of both, CPU seconds"]
    header += ["tutorials' loop", "job, all cores", "times the loop", "CPU seconds of the loop for one of the job"]
    lines = markdown_table(header, rows)
    rounds = f"images/s, the median of {arguments.rounds} rounds of all in turn"
    return [*lines, "", f"Model {arguments.model}, {rounds}; the stages and their pipeline on one core each."]


def stages(model: Any, pictures: Path, count: int, name: str) -> tuple[float, ...]:
    """Images/s of decoding in one process, of the model on one thread, of a worker with both, and the worker's share
    of the slower one; and the CPU seconds of both stages alone for one of the worker."""
    from imgsearch.media.decode_pool import DecodeJob, DecodePool
    from imgsearch.media.walking.walk import Walk

    before = cpu_seconds()
    with DecodePool(model.image_size, workers=1) as pool:
        list(pool.run([DecodeJob(str(next(iter(Walk(pictures))).path), 0)]))  # its process has started
        started = time.perf_counter()
        for _ in pool.run(DecodeJob(entry.path, entry.size_bytes) for entry in Walk(pictures)):
            pass
        decode = count / (time.perf_counter() - started)
    decode_cpu = cpu_seconds() - before
    batch = model.profile.batch_size
    pixels = np.random.default_rng(0).integers(0, 255, (batch, model.image_size, model.image_size, 3), np.uint8)
    model.embed_images(model.preprocess_arrays(pixels))
    started, before, done = time.perf_counter(), cpu_seconds(), 0
    while done < 4 * batch or (done < count and time.perf_counter() - started < 10):
        np.asarray(model.embed_images(model.preprocess_arrays(pixels)))
        done += batch
    encode, encode_cpu = done / (time.perf_counter() - started), (cpu_seconds() - before) * count / done
    seconds, whole_cpu = job_seconds(model, pictures, name, 1)
    whole = count / seconds
    return decode, encode, whole, whole / min(decode, encode), (decode_cpu + encode_cpu) / whole_cpu


def job_seconds(model: Any, pictures: Path, name: str, decoders: int) -> tuple[float, float]:
    """Seconds of a worker over one shard of all pictures, from its first file to its commit, with model and decoders
    there before, as in every shard but the first; and CPU seconds, those of its start included."""
    from unittest.mock import patch

    from imgsearch import app
    from imgsearch.progress import Silence
    from imgsearch.settings import Settings
    from indexer.jobs.create import CreateRequest, create_job
    from indexer.jobs.worker import ShardWorker

    job = pictures.parent / "job"
    first = next(path for path in sorted(pictures.iterdir()))
    shutil.rmtree(job, ignore_errors=True)
    request = CreateRequest([str(first), str(pictures)], job, Settings(job, model=name, device="cpu"), 10**9)
    spec = create_job(request, Silence()).spec
    warm = create_job(
        CreateRequest([str(first)], job / "warm", Settings(job, model=name, device="cpu")), Silence()
    ).spec
    before = cpu_seconds()
    with patch.object(app, "open_model", lambda *_: model), ShardWorker(spec, decode_workers=decoders) as worker:
        worker._spec = warm
        assert worker.embed(warm.shards[0]).state == "done"
        worker._spec = spec
        started = time.perf_counter()
        outcome = worker.embed(spec.shards[0])
        seconds = time.perf_counter() - started
    assert outcome.state == "done", outcome
    shutil.rmtree(job)
    return seconds, cpu_seconds() - before


def against_loop(model: Any, pictures: Path, loop: int, count: int, name: str) -> tuple[float, ...]:
    """Images/s of the tutorials' loop over ``loop`` pictures and of a job over all, how many times the first the second
    is, and the CPU seconds of the loop for one of the job."""
    import torch
    from PIL import Image
    from transformers import BlipImageProcessor

    from imgsearch.media.preprocess import PIXEL_MEAN, PIXEL_STD

    side = {"height": model.image_size, "width": model.image_size}
    processor = BlipImageProcessor(size=side, image_mean=list(PIXEL_MEAN), image_std=list(PIXEL_STD))
    network, found = model.network, []
    started, before = time.perf_counter(), cpu_seconds()
    with torch.inference_mode():
        for path in sorted(pictures.iterdir())[:loop]:
            pixels = processor(images=Image.open(path).convert("RGB"), return_tensors="pt")["pixel_values"]
            seen = network.vision_model(pixel_values=pixels).last_hidden_state
            queries = network.query_tokens.expand(1, -1, -1)
            states = network.qformer(query_embeds=queries, encoder_hidden_states=seen).last_hidden_state
            vectors = torch.nn.functional.normalize(network.vision_projection(states), dim=-1)
            found.append(vectors.numpy())
    tutorial, tutorial_cpu = loop / (time.perf_counter() - started), (cpu_seconds() - before) * count / loop
    seconds, job_cpu = job_seconds(model, pictures, name, max(1, torch.get_num_threads()))
    return tutorial, count / seconds, count / seconds / tutorial, tutorial_cpu / job_cpu


if __name__ == "__main__":
    main()
