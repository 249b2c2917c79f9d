"""Images a second of the encoder: our own network beside transformers' on the same weights, and against the bound that
the device's matrix multiplication sets.

    python benchmarks/encode.py [--batch 64] [--quick]
    python benchmarks/encode.py --memory DIR
    python benchmarks/encode.py --runtimes [--layers N] [--batch N]     # CPU: torch, OpenVINO float32, bfloat16, int8
    python benchmarks/encode.py --loss                                   # and what these lose

With CUDA: a full-size ViT-g/14 + Q-Former (39 x 1408, 12 x 768, 224 pixels) with random weights in bfloat16; the bound
is 533 GFLOP an image at the matmul rate measured in the same run. Without: the small model, and slices of the ViT-g's
and the ViT-L's full width (1 ViT layer, 2 of the Q-Former), on one core, in float32. Both networks take turns, and
what counts is CPU time, since the machine may have other work: a ratio is the median over the rounds.

``--runtimes`` times the CPU runtimes beside each other, on the ViT-g and the ViT-L at full width, with all layers or
``--layers N`` of the ViT; OMP_NUM_THREADS says how many threads. bfloat16 takes part where the processor has it.
``--loss`` measures what their arithmetic loses on the small model: cosine of tokens, recall.

``--memory DIR`` writes a full-size made-up checkpoint into DIR (4.7 GB), loads it in a process of its own, and says how
much memory that took at its highest, in weights.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from made_up_model import sliced, write_checkpoint
from results import add_flags, markdown_table, write_section, writes

from imgsearch.errors import UsageError
from imgsearch.model import load_model
from imgsearch.model.cpu import has_bfloat16, has_int8

GFLOP_AN_IMAGE = 533.0  # ViT-g/14 at 224 pixels and the Q-Former's 32 queries, multiply and add counted apart
ROUNDS = 5
PAIRS = 16
_LOADING = """
import sys
from imgsearch.model import load_model
model = load_model(sys.argv[1], "cpu", sys.argv[2])
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) * 1024, model.profile.weight_bytes, "transformers" in sys.modules)
"""


def taken(work: Callable[[], Any], clock: Callable[[], float]) -> float:
    """Seconds of one run by a clock."""
    start = clock()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - start


def side_by_side(theirs: Callable[[], Any], ours: Callable[[], Any], rounds: int) -> tuple[float, float, float]:
    """Median seconds of both, and the median of their ratio (above 1: ours is faster); each goes first in turn."""
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    rows = []
    for number in range(-1, rounds):
        pair = [theirs, ours] if number % 2 else [ours, theirs]
        found = {work: taken(work, clock) for work in pair}
        if number >= 0:
            rows.append((found[theirs], found[ours]))
    return (*(statistics.median(times) for times in zip(*rows, strict=True)), statistics.median(t / o for t, o in rows))


def transformers_form(model: Any) -> Any:
    """transformers' network of the same weights, as it was called before; None where it has no such ViT."""
    try:
        return model.network
    except UsageError:
        return None


def works(model: Any, network: Any, batch: int) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """By name, what transformers' network and what the model does: pixels to vectors, and texts with images."""
    device, dtype = torch.device(model.device), getattr(torch, model.dtype)
    pixels = torch.randn(batch, 3, model.image_size, model.image_size, device=device).to(dtype)
    with torch.inference_mode():
        features = model.encode_images(pixels)
    pairs = features[:1].expand(PAIRS, -1, -1).contiguous()
    texts = ["a red boat to the left of a green tree"] * PAIRS
    ids, _ = model.pad(model.encode(texts, 32))

    @torch.inference_mode()
    def their_vectors() -> Any:
        seen = network.vision_model(pixel_values=pixels).last_hidden_state
        queries = network.query_tokens.expand(batch, -1, -1)
        states = network.qformer(query_embeds=queries, encoder_hidden_states=seen).last_hidden_state
        return torch.nn.functional.normalize(network.vision_projection(states).float(), dim=-1).cpu()

    @torch.inference_mode()
    def their_pairs() -> Any:
        words = network.embeddings.word_embeddings(ids) + network.embeddings.position_embeddings.weight[: ids.shape[1]]
        queries = network.query_tokens.expand(PAIRS, -1, -1)
        states = network.qformer(
            query_embeds=torch.cat([queries, words], dim=1),
            query_length=queries.shape[1],
            encoder_hidden_states=pairs,
        ).last_hidden_state[:, : queries.shape[1]]
        return network.itm_head(states).float().mean(dim=1).cpu()

    return {
        f"{batch} images": (their_vectors, lambda: model.embed_images(pixels)),
        f"{PAIRS} pairs of one text": (their_pairs, lambda: model.match_both(texts, pairs)),
    }


def compare(name: str, model: Any, batch: int, rounds: int) -> list[list[str]]:
    """Rows of the table for one model."""
    network, rows = transformers_form(model), []
    for what, (theirs, ours) in works(model, network, batch).items():
        count = int(what.split()[0])
        if network is None:
            clock = time.perf_counter if torch.cuda.is_available() else time.process_time
            mine = statistics.median(taken(ours, clock) for _ in range(rounds))
            rows.append([name, what, "-", f"{count / mine:.3g}", "-"])
            continue
        before, mine, ratio = side_by_side(theirs, ours, rounds)
        rows.append([name, what, f"{count / before:.3g}", f"{count / mine:.3g}", f"{ratio:.2f}"])
        print(*rows[-1], sep=", ", file=sys.stderr, flush=True)
    return rows


def on_cpu(batch: int, rounds: int) -> list[str]:
    """The small model and the slices, on one core."""
    torch.set_num_threads(1)
    rows = compare("small model", load_model("mini", "cpu", "float32"), batch or 16, rounds)
    with tempfile.TemporaryDirectory() as scratch:
        for name, clip in (("ViT-g, 1 + 2 layers", False), ("ViT-L, 1 + 2 layers", True)):
            folder = write_checkpoint(Path(scratch) / name[:5], sliced(clip, 1, 2))
            rows += compare(name, load_model(folder, "cpu", "float32"), batch or 2, rounds)
    header = ["model, float32, one core", "work", "transformers, a CPU second", "ours, a CPU second", "ratio"]
    return [*markdown_table(header, rows), "", f"Load average at the end {os.getloadavg()[0]:.1f}."]


def on_gpu(batch: int, rounds: int) -> list[str]:
    """The whole ViT-g in bfloat16, against the bound."""
    with tempfile.TemporaryDirectory() as scratch:
        model = load_model(write_checkpoint(Path(scratch), sliced(False, 0, 0)), "cuda", "bfloat16")
    rows = compare("ViT-g, bfloat16", model, batch or 64, rounds)
    left, right = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    rate = 2 * 8192**3 / min(taken(lambda: left @ right, time.perf_counter) for _ in range(9)) / 1e12
    header = ["model", "work", "transformers, a second", "ours, a second", "ratio"]
    bound = f"Matmul {rate:.0f} TFLOP/s: bound {rate * 1e3 / GFLOP_AN_IMAGE:.0f} images/s."
    return [*markdown_table(header, rows), "", f"{torch.cuda.get_device_name()}. {bound}"]


def memory(folder: Path, layers: int) -> list[str]:
    """The highest memory of a load, in float32 and bfloat16."""
    if not (folder / "vocab.txt").is_file():
        write_checkpoint(folder, sliced(False, layers, layers))
    rows = []
    for dtype in ("float32", "bfloat16"):
        command = [sys.executable, "-c", _LOADING, str(folder), dtype]
        highest, weights, _ = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        ratio = int(highest) / int(weights)
        rows.append([dtype, f"{int(weights) / 1e9:.2f} GB", f"{int(highest) / 1e9:.2f} GB", f"{ratio:.2f}"])
    return markdown_table(["dtype", "weights", "highest memory of a load", "ratio"], rows)


def on_runtimes(arguments: argparse.Namespace) -> None:
    """The sections that `benchmarks/runtimes.py` measures."""
    from runtimes import losses, speeds

    load = f"Load average at the end {os.getloadavg()[0]:.1f}; CPU time counts."
    if arguments.loss:
        counts = (40, 20) if arguments.quick else (1000, 200)
        lines = [*losses("mini", *counts), "", f"{counts[0]} scenes by vectors, {counts[1]} re-ranked. {load}"]
        title = "What the CPU runtimes lose, small model (benchmarks/encode.py --loss)"
    else:
        layers = arguments.layers or (1 if arguments.quick else 0)
        found = speeds(layers, arguments.batch or 2, 2 if arguments.quick else ROUNDS)
        which = f"{layers} of its ViT layers, 2 of the Q-Former" if layers else "all layers"
        has = {"bfloat16": has_bfloat16(), "int8": has_int8()}
        missing = " and ".join(kind for kind, there in has.items() if not there)
        which += f"; this processor has no instructions for {missing}" if missing else ""
        lines = [*found, "", f"{which}; {os.environ.get('OMP_NUM_THREADS') or os.cpu_count()} threads. {load}"]
        title = "The CPU runtimes beside each other (benchmarks/encode.py --runtimes)"
    print("\n".join(lines))
    if writes(arguments):
        write_section(title, lines)


def main() -> None:
    """Measure what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_flags(parser)
    parser.add_argument("--batch", type=int, default=0, help="images a batch; 0 = by device and model")
    parser.add_argument("--memory", type=Path, metavar="DIR", help="measure memory with a checkpoint made in DIR")
    parser.add_argument("--layers", type=int, default=0, help="of that checkpoint; 0 = all")
    parser.add_argument("--runtimes", action="store_true", help="the CPU runtimes beside each other")
    parser.add_argument("--loss", action="store_true", help="what the CPU runtimes lose, with the small model")
    arguments = parser.parse_args()
    if arguments.runtimes or arguments.loss:
        on_runtimes(arguments)
        return
    if arguments.memory is not None:
        print("\n".join(memory(arguments.memory, arguments.layers)))
        return
    rounds = 2 if arguments.quick else ROUNDS
    batch = arguments.batch or (2 if arguments.quick else 0)
    lines = (on_gpu if torch.cuda.is_available() else on_cpu)(batch, rounds)
    print("\n".join(lines))
    if writes(arguments):
        write_section("The encoder: our own network beside transformers' (benchmarks/encode.py)", lines)


if __name__ == "__main__":
    main()
