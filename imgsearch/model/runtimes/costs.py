"""What a model of some sizes costs, counted from its matrix products. No torch."""

from __future__ import annotations

import math

from imgsearch.model.checkpoints.config import Blip2Sizes, expected_shapes, published_sizes
from imgsearch.model.contract import DEFAULT_MAX_TOKENS
from imgsearch.model.cpu import known_rates
from imgsearch.model.runtime_profile import RuntimeName, RuntimeProfile
from imgsearch.settings import available_cores

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_MODEL_SHARE = 0.85
"""Of the rate of a bare matrix product, what a whole ViT reaches: 79 of 89 GFLOP/s (three blocks of the ViT-g, four
images, one core with AVX2)."""


def profile_of(sizes: Blip2Sizes | None, runtime: RuntimeName, device: str, dtype: str) -> RuntimeProfile:
    """A checkpoint of ``sizes``; None (a config that is not understood) counts as the published BLIP-2."""
    known = sizes or published_sizes()
    return RuntimeProfile(
        runtime,
        device,
        dtype,
        image_gflop=(_vision_flop(known) + _qformer_flop(known, 0)) / 1e9,
        pair_gflop=_qformer_flop(known, DEFAULT_MAX_TOKENS) / 1e9,
        weight_bytes=_weight_bytes(known, dtype),
        cores=available_cores(),
        gflop_per_second=_rate(device, dtype),
    )


def _weight_bytes(sizes: Blip2Sizes, dtype: str) -> int:
    """int8 is the ViT's alone; the Q-Former beside it stays in float32."""
    rest, vit = 0, 0
    for name, shape in expected_shapes(sizes):
        if name.startswith("vision_model."):
            vit += math.prod(shape)
        else:
            rest += math.prod(shape)
    return vit + 4 * rest if dtype.startswith("int8") else _BYTES[dtype] * (vit + rest)


def _rate(device: str, dtype: str) -> float | None:
    """GFLOP a second of one core, where a probe has timed this dtype here."""
    rate = known_rates().get(dtype) if device == "cpu" else None
    return None if rate is None else _MODEL_SHARE * rate


def bytes_of_pair(sizes: Blip2Sizes) -> int:
    """A generous estimate of one pair's float32 working space in the Q-Former."""
    qformer, vision = sizes.qformer, sizes.vision
    states = (sizes.tokens + 64) * (6 * qformer.width + 2 * qformer.mlp)
    return 4 * (vision.positions * (vision.width + 2 * qformer.width) + states)


def _vision_flop(sizes: Blip2Sizes) -> int:
    """The ViT over one image: two operations for each multiplication of its matrix products."""
    vision = sizes.vision
    rows, width = vision.positions, vision.width
    patches = 2 * vision.grid**2 * 3 * vision.patch**2 * width
    return patches + vision.layers * (8 * rows * width**2 + 4 * rows**2 * width + 4 * rows * width * vision.mlp)


def _qformer_flop(sizes: Blip2Sizes, words: int) -> int:
    """The Q-Former over one image's features with a text of ``words`` pieces, 0 for none."""
    qformer, vision = sizes.qformer, sizes.vision
    rows, width = sizes.tokens + words, qformer.width
    crossing = len(range(0, qformer.layers, qformer.cross_every))
    own = 8 * rows * width**2 + 4 * rows**2 * width + 4 * rows * width * qformer.mlp
    keys_and_values = 4 * vision.positions * vision.width * width
    queries = 4 * sizes.tokens * width**2 + 4 * sizes.tokens * vision.positions * width
    return qformer.layers * own + crossing * (keys_and_values + queries)
