"""Tuning: what kept features and LoRA save, what the shifted world is learned in, and one step at full size on a GPU.

    python benchmarks/tune.py [--quick]             steps and memory, made-up weights of a ViT-g's proportions
    python benchmarks/tune.py --world [--ways qformer lora all] [--steps N]   whole runs of the small model
    python benchmarks/tune.py --gpu [--tiny]        one step of ViT-g and Q-Former, batch 64, against the matmul bound

Steps are timed in turns, in processor seconds on a CPU, the best of some rounds. Memory is the peak of a process of its
own, its Python and torch included. ``--gpu`` runs anywhere with ``--tiny``.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from results import add_flags, markdown_table, write_section, writes

from imgsearch.model.checkpoints.config import Blip2Sizes, published_sizes

ROUNDS = 3


def sizes_of(name: str) -> Blip2Sizes:
    """A ViT-g with its Q-Former, at full size or narrower and shallower."""
    whole = published_sizes()
    if name == "full":
        return whole
    width, layers, own, depth = {"middle": (704, 20, 384, 6), "small": (352, 10, 192, 4), "tiny": (64, 2, 48, 2)}[name]
    vision = replace(whole.vision, width=width, mlp=width * 4, layers=layers)
    qformer = replace(whole.qformer, width=own, mlp=own * 4, layers=depth, vocabulary=2000)
    return Blip2Sizes(vision, qformer, tokens=32, dims=256)


class Bench:
    """A network of made-up weights with a trainer on made-up pictures."""

    def __init__(self, name: str, way: str, device: str, batch: int, bfloat16: bool, again: bool = False) -> None:
        import torch

        from imgsearch.model.runtimes.torch.network import Blip2Network
        from imgsearch.training.features import keep_features
        from imgsearch.training.forms import OwnForm
        from imgsearch.training.loop import Trainer
        from imgsearch.training.loop_settings import LoopSettings
        from imgsearch.tuning.parts import choose_trained
        from imgsearch.tuning.pictures.source import Pictures, TuningPairs

        torch.manual_seed(0)
        self.sizes = sizes_of(name)
        with torch.device(device):
            network = Blip2Network(self.sizes)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.02)
        rng, side = np.random.default_rng(0), self.sizes.vision.image
        count = batch + batch // 2
        pixels = np.broadcast_to(rng.integers(0, 255, (1, side, side, 3)).astype(np.uint8), (count, side, side, 3))
        captions = [(f"a picture of the thing number {number} on a table in the sun",) for number in range(count)]
        pairs = TuningPairs(Pictures(pixels, captions, np.arange(count)), np.arange(count), np.empty(0, np.int64), 0, 0)
        form = OwnForm(SimpleNamespace(parts=network, sizes=self.sizes))  # type: ignore[arg-type]
        choose_trained(network, way)
        folder = Path(tempfile.mkdtemp(prefix="imgsearch-tune-"))
        settings = LoopSettings(
            1000,
            batch,
            max(2, batch // 4),
            1e-5,
            harden=False,
            early_steps=0,
            train_vision=way == "all",
            bfloat16=bfloat16,
        )
        features = None
        if way != "all":
            budget = 0 if again else None
            features = keep_features(form, pairs, folder / "features.npy", lambda line: None, budget_bytes=budget)
        tokenizer = SimpleNamespace(pad_id=0, encode=lambda texts, most: [list(range(2, 20)) for _ in texts])
        self.trainer = Trainer(form, tokenizer, pairs, settings, folder, features)  # type: ignore[arg-type]
        self.trainer._features = features
        network.train()

    def step(self) -> None:
        self.trainer._train_step()
        self.trainer.step += 1


def steps(name: str, batch: int, rounds: int) -> list[list[object]]:
    """Processor seconds of a step with kept features, and of one that encodes again, in turns."""
    kept, again = (Bench(name, "qformer", "cpu", batch, False, again=one) for one in (False, True))
    best = [float("inf")] * 2
    for _ in range(1 + rounds):
        for place, bench in enumerate((kept, again)):
            begun = time.process_time()
            bench.step()
            best[place] = min(best[place], time.process_time() - begun)
    return [["features kept", best[0]], ["encoded again", best[1]], ["times", best[1] / best[0]]]


def peak(name: str, way: str, batch: int) -> float:
    """Peak megabytes of a process that takes two steps."""
    command = [sys.executable, __file__, "--peak", way, "--size", name, "--batch", str(batch)]
    return float(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def on_gpu(name: str, device: str, batch: int) -> list[str]:
    """Seconds and memory of one step, beside the time that its products would take at the device's own rate."""
    import torch

    from imgsearch.model.runtimes.costs import profile_of

    cuda = device.startswith("cuda")

    def now() -> float:
        if cuda:
            torch.cuda.synchronize()
        return time.perf_counter()

    edge = 8192 if cuda else 256
    one = torch.randn(edge, edge, dtype=torch.bfloat16, device=device)
    rate = 0.0
    for _ in range(5):
        begun = now()
        for _ in range(4):
            one @ one
        rate = max(rate, 4 * 2 * edge**3 / (now() - begun))
    profile = profile_of(sizes_of(name), "torch", "cpu", "float32")
    qformer = profile.pair_gflop
    matched = 3 * max(2, batch // 4)
    rows: list[list[object]] = []
    for way, label in (("qformer", "Q-Former, features kept"), ("lora", "LoRA, features kept"), ("all", "all")):
        if cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        bench = Bench(name, way, device, batch, True)
        took = float("inf")
        for _ in range(1 + ROUNDS):
            begun = now()
            bench.step()
            took = min(took, now() - begun)
        gflop = 3 * qformer * (batch + matched) + (3 * profile.image_gflop * batch if way == "all" else 0)
        memory = torch.cuda.max_memory_allocated() / 1e9 if cuda else 0.0
        rows.append([label, took, gflop * 1e9 / rate, f"{100 * gflop * 1e9 / rate / took:.0f} %", memory])
        del bench
    head = ["trained", "s a step", "bound, s", "of the bound", "GB"]
    return [
        f"{name} size, batch {batch}, matmul {rate / 1e12:.3g} TFLOP/s in bfloat16",
        "",
        *markdown_table(head, rows),
    ]


def apart(model_name: str, count: int = 500, seed: int = 99) -> list[float]:
    """R@10 in per cent, by text and by picture, of ``count`` pictures of the shifted world that no run has seen, by the
    first search alone."""
    import torch

    from imgsearch.evaluation.retrieval import MAX_TOKENS, similarities
    from imgsearch.media.preprocess import resize_to_model
    from imgsearch.model import load_model
    from imgsearch.scenes.dataset import make_set
    from imgsearch.scenes.draw import draw_scene
    from imgsearch.scenes.graph import WORLDS
    from imgsearch.training.forms import OwnForm
    from imgsearch.tuning.gains.measure import first_true
    from imgsearch.tuning.pictures.source import Pictures, Truth

    model = load_model(model_name, device="cpu", dtype="float32")
    rows = make_set(count, seed, domain=WORLDS["shifted"])
    pixels = np.stack([resize_to_model(draw_scene(row.scene)[0], model.image_size) for row in rows])
    texts = [caption for row in rows for caption in row.captions]
    owners = [place for place, row in enumerate(rows) for _ in row.captions]
    truth = Truth(Pictures(pixels, [row.captions for row in rows], np.arange(count)))
    form, tokens = OwnForm(model), []
    with torch.inference_mode():
        for first in range(0, count, 50):
            features = form.encode(torch.from_numpy(pixels[first : first + 50]))
            tokens.append(form.image_tokens(features).numpy())
        vectors = model.embed_texts(texts, max_tokens=MAX_TOKENS).numpy()
    sims, true = similarities(np.concatenate(tokens), vectors), truth.matrix(texts, owners, range(count))
    ranks = first_true(np.ascontiguousarray(sims.T), true.T), first_true(sims, true)
    return [100 * float(np.mean(one < 10)) for one in ranks]


def world(ways: list[str], count: int, given: list[str], folder: Path) -> list[str]:
    """Whole runs on the shifted world, one after the other, with processor seconds."""
    pairs = folder / "pairs"
    run = [sys.executable, "-m", "imgsearch"]
    if not pairs.exists():
        subprocess.run([*run, "scenes", "--world", "shifted", "--count", str(count), str(pairs)], check=True)
    rows: list[list[object]] = []
    grown: dict[str, list[float]] = {}
    for way in ways:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        out, begun = folder / way, time.monotonic()
        command = [*run, "tune", str(pairs), "--model", "mini", "--train", way, "--output", str(out), *given]
        if subprocess.run(command).returncode:
            raise SystemExit(4)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = json.loads((out / "model" / "tuning.json").read_text())
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        gains = {name: {(r["way"], r["score"], r["at"]): r for r in found["gains"][name]} for name in found["gains"]}
        own = [gains["withheld"][way_, "itm", 10] for way_ in ("text to image", "image to text")]
        old = [gains["general"][way_, "itm", 1] for way_ in ("text to image", "image to text")]
        grown[way] = [one["after"] - one["before"] for one in own]
        unseen = zip(apart("mini"), apart(str(out / "model")), strict=True)
        rows.append(
            [
                f"{way} ({100 * found['share_trained']:.1f} %)",
                *(f"{one['before']:.1f} to {one['after']:.1f}" for one in own),
                *(f"{one['before']:.1f} to {one['after']:.1f} ({one['verdict']})" for one in old),
                " / ".join(f"{one:.1f} to {two:.1f}" for one, two in unseen),
                f"{found['moved'][-1]['share']:.0%}" if found["moved"] else "100%",
                found["steps"],
                f"{spent / 60:.0f}",
                f"{(time.monotonic() - begun) / 60:.0f}",
            ]
        )
    head = ["trained", "own, R@10 by text", "own, R@10 by picture", "general, R@1 by text", "general, R@1 by picture"]
    head += ["500 others, R@10, first search", "way gone"]
    lines = markdown_table([*head, "steps", "processor minutes", "minutes"], rows)
    return [*lines, *_beside_all(grown)]


def _beside_all(grown: dict[str, list[float]]) -> list[str]:
    """Each way's gain in R@10 of withheld pictures as a share of what training everything gains."""
    if "all" not in grown:
        return []
    shares = {
        way: [f"{one / most:.2f}" for one, most in zip(found, grown["all"], strict=True) if most > 0]
        for way, found in grown.items()
        if way != "all"
    }
    return ["", *(f"{way}: {' / '.join(found)} of the gain of all in R@10" for way, found in shares.items())]


def main() -> None:
    """Measure what the flags say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_flags(parser)
    parser.add_argument("--size", choices=("full", "middle", "small", "tiny"))
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--gpu", action="store_true", help="one step at full size")
    parser.add_argument("--tiny", action="store_true", help="with --gpu: tiny sizes, on the CPU where there is no GPU")
    parser.add_argument("--world", action="store_true", help="whole runs of the small model on the shifted world")
    parser.add_argument("--ways", nargs="+", default=["qformer", "lora", "all"])
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--scratch", type=Path, help="keep the runs here, and go on with them")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    arguments: Any = parser.parse_args()
    if arguments.peak:
        bench = Bench(arguments.size, arguments.peak, "cpu", arguments.batch, False)
        for _ in range(2):
            bench.step()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
        return
    if arguments.gpu:
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        name = "tiny" if arguments.tiny else "full"
        lines = on_gpu(name, device, arguments.batch or (4 if arguments.tiny else 64))
        print("\n".join(lines))
        if writes(arguments) and not arguments.tiny:
            write_section("Tuning: a step on a GPU", lines, device=torch.cuda.get_device_name())
        return
    if arguments.world:
        given = ["--steps", str(arguments.steps)] if arguments.steps else []
        with tempfile.TemporaryDirectory() as folder:
            lines = world(arguments.ways, arguments.pictures, given, arguments.scratch or Path(folder))
        print("\n".join(lines))
        if writes(arguments):
            write_section("Tuning: the shifted world", lines)
        return
    name = arguments.size or ("small" if arguments.quick else "middle")
    batch = arguments.batch or 8
    # Memory first: Linux counts the peak of the process that starts another one as that one's.
    lora, full = peak(name, "lora", batch), peak(name, "all", batch)
    lines = markdown_table(["a step", "processor s"], steps(name, batch, 1 if arguments.quick else ROUNDS))
    lines += ["", *markdown_table(["trained", "peak MB"], [["LoRA", lora], ["all", full], ["share", lora / full]])]
    lines = [f"Sizes: {name}, batch {batch}.", "", *lines]
    print("\n".join(lines))
    if writes(arguments):
        write_section("Tuning: steps and memory", lines)


if __name__ == "__main__":
    main()
