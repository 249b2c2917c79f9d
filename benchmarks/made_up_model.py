"""Checkpoints of any size with random weights: for speed and memory, which do not depend on what a model has learnt."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from imgsearch.model.checkpoints.config import ARCHITECTURES, MODEL_TYPES, Blip2Sizes, expected_shapes, published_sizes

_DRAWN = 1_000_003


def sliced(clip: bool, vit_layers: int, qformer_layers: int) -> Blip2Sizes:
    """The published model of full width, with as many layers; 0 for all."""
    sizes = published_sizes(clip=clip)
    vision = replace(sizes.vision, layers=vit_layers or sizes.vision.layers)
    return replace(sizes, vision=vision, qformer=replace(sizes.qformer, layers=qformer_layers or sizes.qformer.layers))


def write_checkpoint(folder: Path, sizes: Blip2Sizes, spread: float = 0.02, *, half_vit: bool = False) -> Path:
    """A directory that `load_model` reads: float32 weights, norms of 1 and 0, a vocabulary of made-up words. With
    ``half_vit`` the ViT's are float16 values, as LAVIS leaves them. Cost: the file's size on disk (4.7 GB for the whole
    ViT-g)."""
    folder.mkdir(parents=True, exist_ok=True)
    shapes = dict(expected_shapes(sizes))
    header, place = {}, 0
    for name, shape in shapes.items():
        size = 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(header).encode()
    # The same numbers again and again: drawing a billion takes longer than all that is measured.
    drawn = np.random.default_rng(0).standard_normal(_DRAWN, np.float32) * np.float32(spread)
    rounded = drawn.astype(np.float16).astype(np.float32) if half_vit else drawn
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in shapes.items():
            norm = "norm" in name.lower() and name.endswith("weight")
            left, numbers = int(np.prod(shape)), rounded if name.startswith("vision_model.") else drawn
            while left:
                part = numbers[:left] + np.float32(1) if norm else numbers[:left]
                file.write(np.ascontiguousarray(part, "<f4").data)
                left -= len(part)
    (folder / "config.json").write_text(json.dumps(config_of(sizes)))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{number}" for number in range(sizes.qformer.vocabulary - 4))]
    (folder / "vocab.txt").write_text("\n".join(words))
    return folder


def config_of(sizes: Blip2Sizes) -> dict[str, Any]:
    """What config.json says of a model of these sizes."""
    vision, qformer, clip = sizes.vision, sizes.qformer, sizes.vision.first_norm
    of_vit: Mapping[str, Any] = {
        "image_size": vision.image,
        "patch_size": vision.patch,
        "hidden_size": vision.width,
        "intermediate_size": vision.mlp,
        "num_hidden_layers": vision.layers,
        "num_attention_heads": vision.heads,
        "layer_norm_eps": vision.epsilon,
        "hidden_act": vision.activation,
        **({"pre_layer_norm": True, "patch_bias": False, "align_corners": True} if clip else {}),
    }
    return {
        "model_type": MODEL_TYPES[clip],
        "architectures": [next(name for name, of_clip in ARCHITECTURES.items() if of_clip == clip)],
        "num_query_tokens": sizes.tokens,
        "image_text_hidden_size": sizes.dims,
        "image_token_index": None,
        "vision_config": of_vit,
        "qformer_config": {
            "vocab_size": qformer.vocabulary,
            "hidden_size": qformer.width,
            "intermediate_size": qformer.mlp,
            "num_hidden_layers": qformer.layers,
            "num_attention_heads": qformer.heads,
            "encoder_hidden_size": vision.width,
            "cross_attention_frequency": qformer.cross_every,
            "max_position_embeddings": qformer.positions,
            "use_qformer_text_input": True,
        },
    }
