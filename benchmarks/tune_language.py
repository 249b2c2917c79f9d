"""What a step of tuning a generator costs: LoRA on the language model, the Q-Former, both; from kept ViT features.

Random weights of the published sizes (OPT-2.7b, ViT-g, batch 8, bfloat16) on a GPU with ``--gpu``; ``--tiny`` the same
path with small sizes, on a CPU too. Reports seconds a step, the peak of memory, and the step's matrix products against
what the device reaches on products of the model's own shapes. One step is forward, backward and AdamW.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

import torch
from results import add_flags, markdown_table, write_section, writes
from transformers import Blip2Config, Blip2ForConditionalGeneration

from imgsearch.generation.loss import training_loss
from imgsearch.tuning.language.parts import LANGUAGE_WAYS, choose_language_parts, keep_in_eval

BATCH, TEXT_TOKENS = 8, 24
_STEPS, _WARM = 5, 2


@dataclass(frozen=True)
class Shape:
    """Sizes of what is trained; the ViT is not built: its features are kept."""

    name: str
    width: int
    layers: int
    heads: int
    ffn: int
    vocabulary: int
    qformer: int
    qformer_layers: int
    vision: int
    patches: int


FULL = Shape("OPT-2.7b, ViT-g", 2560, 32, 32, 10240, 50304, 768, 12, 1408, 257)
TINY = Shape("tiny", 64, 2, 2, 256, 512, 64, 2, 88, 17)


class Marks:
    end, pad, before, after = (2,), 1, (2,), ()


class Words:
    """A tokenizer that gives every text the same number of ids."""

    marks = Marks()

    def __init__(self, vocabulary: int) -> None:
        self._ids = [2, *torch.randint(5, vocabulary, (TEXT_TOKENS - 2,)).tolist(), 2]

    def encode(self, text: str) -> list[int]:
        return list(self._ids) if text else [2]


def network_of(shape: Shape, device: torch.device, kind: torch.dtype) -> Any:
    """A BLIP-2 of these sizes with random weights and a ViT of one small block, which is not run."""
    config = Blip2Config(
        vision_config={
            "hidden_size": shape.vision,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": shape.vision // 88,
            "image_size": 28,
            "patch_size": 14,
        },
        qformer_config={
            "hidden_size": shape.qformer,
            "num_hidden_layers": shape.qformer_layers,
            "num_attention_heads": max(1, shape.qformer // 64),
            "intermediate_size": 4 * shape.qformer,
            "encoder_hidden_size": shape.vision,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
        },
        text_config={
            "model_type": "opt",
            "hidden_size": shape.width,
            "word_embed_proj_dim": shape.width,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "ffn_dim": shape.ffn,
            "vocab_size": shape.vocabulary,
            "dropout": 0.0,
        },
        num_query_tokens=32,
        image_token_index=shape.vocabulary - 1,
    )
    torch.set_default_dtype(kind)
    try:
        with device:
            return Blip2ForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(torch.float32)


def step_gflop(shape: Shape, way: str) -> float:
    """Matrix products of a step: forward, and back through what lies before anything trained; frozen weights have no
    gradient of their own."""
    positions = BATCH * (32 + TEXT_TOKENS)
    layer = 4 * shape.width**2 + 2 * shape.width * shape.ffn
    language = 2 * positions * (shape.layers * layer) + 2 * BATCH * TEXT_TOKENS * shape.width * shape.vocabulary
    bridge = 2 * BATCH * 32 * shape.qformer_layers * (12 * shape.qformer**2)
    bridge += 2 * BATCH * shape.patches * shape.vision * 2 * shape.qformer * (shape.qformer_layers // 2)
    trains_bridge = way in ("qformer", "both")
    return (2 * language + (3 if trains_bridge else 1) * bridge) / 1e9


def bound(shape: Shape, device: torch.device, kind: torch.dtype) -> float:
    """GFLOP/s of the language model's feed-forward product at the step's own height."""
    rows = BATCH * (32 + TEXT_TOKENS)
    first = torch.randn(rows, shape.width, device=device, dtype=kind)
    second = torch.randn(shape.width, shape.ffn, device=device, dtype=kind)
    rounds, best = 20, float("inf")
    for _ in range(4):
        _wait(device)
        started = time.perf_counter()
        for _ in range(rounds):
            first @ second
        _wait(device)
        best = min(best, time.perf_counter() - started)
    return 2 * rows * shape.width * shape.ffn * rounds / best / 1e9


def measure(shape: Shape, way: str, device: torch.device, kind: torch.dtype) -> tuple[float, float, int]:
    """(seconds a step, GB at the peak beside nothing else, trained numbers)."""
    torch.manual_seed(0)
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    network = network_of(shape, device, kind)
    trained = choose_language_parts(network, way)
    keep_in_eval(network, recompute=False)
    parameters = list(trained.parameters.values())
    optimiser = torch.optim.AdamW(parameters, lr=1e-4)
    features = torch.randn(BATCH, shape.patches, shape.vision, device=device, dtype=kind)
    words, texts = Words(shape.vocabulary), [("", "a caption")] * BATCH

    def step() -> float:
        with torch.autocast(device.type, kind, enabled=kind != torch.float32):
            normed = network.vision_model.post_layernorm(features)
            queries = network.query_tokens.expand(BATCH, -1, -1)
            states = network.qformer(query_embeds=queries, encoder_hidden_states=normed).last_hidden_state
            loss = training_loss(network, words, network.language_projection(states), texts)  # type: ignore[arg-type]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return loss.item()

    for _ in range(_WARM):
        step()
    _wait(device)
    started = time.perf_counter()
    for _ in range(_STEPS):
        last = step()
    _wait(device)
    seconds = (time.perf_counter() - started) / _STEPS
    if last != last:  # NaN
        raise SystemExit(f"the loss of {way} is not a number")
    peak = torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else float("nan")
    return seconds, peak, sum(one.numel() for one in parameters)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_flags(parser)
    parser.add_argument("--gpu", action="store_true", help="at the published sizes, in bfloat16, on the GPU")
    parser.add_argument("--tiny", action="store_true", help="small sizes: whether it runs, on a CPU too")
    arguments = parser.parse_args()
    tiny = arguments.tiny or arguments.quick or not arguments.gpu
    if arguments.gpu and not torch.cuda.is_available() and not tiny:
        raise SystemExit("--gpu needs CUDA; --tiny runs without")
    device = torch.device("cuda" if arguments.gpu and torch.cuda.is_available() else "cpu")
    shape, kind = (TINY, torch.float32) if tiny else (FULL, torch.bfloat16)
    reached = bound(shape, device, kind)
    rows = []
    for way in LANGUAGE_WAYS:
        seconds, peak, trained = measure(shape, way, device, kind)
        needed = step_gflop(shape, way)
        share = needed / seconds / reached
        rows.append(
            [
                way,
                f"{trained:,}",
                f"{1000 * seconds:.0f} ms",
                f"{peak:.1f} GB" if peak == peak else "not measured",
                f"{100 * share:.0f} %",
            ]
        )
        print(*rows[-1], flush=True)
    lines = markdown_table(["trained", "numbers", "a step", "peak memory", "of the matmul rate"], rows)
    lines += [
        "",
        f"{shape.name}, batch {BATCH}, {TEXT_TOKENS} ids a caption; the matmul reaches {reached:,.0f} GFLOP/s.",
    ]
    print("\n".join(lines))
    if writes(arguments) and not tiny:
        write_section("Tuning a generator, one step", lines, device=torch.cuda.get_device_name(device))


if __name__ == "__main__":
    main()
