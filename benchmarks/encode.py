"""Images a second of the encoder, against the bound that the device's matrix multiplication sets.

    python benchmarks/encode.py [--batch 64] [--model mini] [--quick]

With CUDA: a full-size ViT-g/14 + Q-Former (39 x 1408, 12 x 768, 224 pixels) with random weights in bfloat16, eager and
compiled; the bound is 533 GFLOP an image at the matmul rate measured in the same run. Without: the named model on the
CPU, no bound of ViT-g; the line says that no GPU was there. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from transformers import Blip2Config, Blip2ForImageTextRetrieval

from imgsearch.errors import ModelError
from imgsearch.model import load_model

GFLOP_AN_IMAGE = 533.0  # ViT-g/14 at 224 pixels and the Q-Former's 32 queries, multiply and add counted apart


def best_seconds(work: Callable[[], Any], device: str, repeats: int = 7) -> float:
    """The quickest of some runs after two that warm up."""
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        work()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[2:])


def matmul_tflops(device: str, dtype: torch.dtype, side: int) -> float:
    """Rate of one large square matrix product."""
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / best_seconds(lambda: left @ right, device) / 1e12


def on_gpu(batch: int) -> dict[str, Any]:
    """Eager, then compiled with CUDA graphs."""
    config = Blip2Config(qformer_config={"use_qformer_text_input": True, "vocab_size": 30523}, image_token_index=None)
    config._attn_implementation = "sdpa"
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        network = Blip2ForImageTextRetrieval(config).eval().to(torch.bfloat16)
        pixels = torch.randn(batch, 3, 224, 224)
        queries = network.query_tokens.expand(batch, -1, -1)

    def encode() -> torch.Tensor:
        with torch.inference_mode():
            features = network.vision_model(pixel_values=pixels).last_hidden_state
            states = network.qformer(query_embeds=queries, encoder_hidden_states=features).last_hidden_state
            return torch.nn.functional.normalize(network.vision_projection(states).float(), dim=-1)

    rate = matmul_tflops("cuda", torch.bfloat16, 8192)
    bound = rate * 1e3 / GFLOP_AN_IMAGE
    eager = batch / best_seconds(encode, "cuda")
    network.vision_model.compile(mode="reduce-overhead")
    network.qformer.compile(mode="max-autotune-no-cudagraphs")
    compiled = batch / best_seconds(encode, "cuda")
    return {
        "device": torch.cuda.get_device_name(),
        "batch": batch,
        "matmul_tflops": round(rate, 1),
        "bound_images_s": round(bound, 1),
        "eager_images_s": round(eager, 1),
        "compiled_images_s": round(compiled, 1),
        "share_of_bound": round(max(eager, compiled) / bound, 3),
    }


def on_cpu(name: str, batch: int) -> dict[str, Any]:
    """The library's own calls on a model that is on disk."""
    model = load_model(name, device="cpu")
    shape = (batch, model.image_size, model.image_size, 3)
    arrays = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    pixels = model.preprocess_arrays(arrays)
    features = model.encode_images(pixels)
    texts = ["a red boat to the left of a green tree"] * batch
    measured = {
        "preprocess_images_s": lambda: model.preprocess_arrays(arrays),
        "encode_images_s": lambda: model.encode_images(pixels),
        "embed_images_s": lambda: model.embed_images(pixels),
        "match_pairs_s": lambda: model.match_logits(texts, features),
    }
    rates = {key: round(batch / best_seconds(work, "cpu"), 1) for key, work in measured.items()}
    return {
        "device": f"cpu, {torch.get_num_threads()} threads (not run on a GPU)",
        "model": model.model_id.name,
        "batch": batch,
        "matmul_tflops": round(matmul_tflops("cpu", torch.float32, 1024), 3),
        **rates,
    }


def main() -> None:
    """Measure what is there."""
    parser = argparse.ArgumentParser(description="images a second of the encoder")
    parser.add_argument("--batch", type=int, default=0, help="images a batch; 0 = 64 on a GPU, 16 on a CPU")
    parser.add_argument("--model", default="mini", help="what to measure on a CPU")
    parser.add_argument("--quick", action="store_true", help="2 images a batch, to see that it runs")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.batch = 2
    try:
        cuda = torch.cuda.is_available()
        result = on_gpu(arguments.batch or 64) if cuda else on_cpu(arguments.model, arguments.batch or 16)
    except ModelError as error:
        raise SystemExit(str(error)) from None
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
