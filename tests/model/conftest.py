"""Small BLIP-2s with random weights, in transformers' form and, taken apart by hand, in LAVIS's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import Blip2Config, Blip2ForImageTextRetrieval

PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *"abcdefghijklmnopqrstuvwxyz'-,",
    *["##" + c for c in "abcdefghijklmnopqrstuvwxyz"],
]
PIECES += ["red", "boat", "tree", "left", "of", "the", "snow", "two"]


@dataclass(frozen=True)
class Sizes:
    image: int = 40
    patch: int = 8
    vit_width: int = 264  # 3 heads of 88
    vit_layers: int = 2
    vit_mlp: int = 301
    width: int = 64  # 1 head
    layers: int = 3
    mlp: int = 90
    frequency: int = 2
    tokens: int = 5
    dims: int = 24
    positions: int = 40


def random_network(sizes: Sizes, seed: int = 0, vision: dict[str, Any] | None = None) -> Blip2ForImageTextRetrieval:
    """``vision``: more of the ViT's config."""
    torch.manual_seed(seed)
    config = Blip2Config(
        vision_config={
            "hidden_size": sizes.vit_width,
            "intermediate_size": sizes.vit_mlp,
            "num_hidden_layers": sizes.vit_layers,
            "num_attention_heads": sizes.vit_width // 88,
            "image_size": sizes.image,
            "patch_size": sizes.patch,
            **(vision or {}),
        },
        qformer_config={
            "vocab_size": len(PIECES) + 1,
            "hidden_size": sizes.width,
            "num_hidden_layers": sizes.layers,
            "num_attention_heads": sizes.width // 64,
            "intermediate_size": sizes.mlp,
            "cross_attention_frequency": sizes.frequency,
            "max_position_embeddings": sizes.positions,
            "use_qformer_text_input": True,
        },
        num_query_tokens=sizes.tokens,
        image_text_hidden_size=sizes.dims,
        image_token_index=None,
    )
    network = Blip2ForImageTextRetrieval(config).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            scale = 0.05 if parameter.ndim > 1 else 0.1
            parameter.normal_(std=scale)
            if "norm" in name.lower() and name.endswith("weight"):
                parameter.add_(1)
            if name.endswith("qkv.bias"):  # LAVIS has no bias for keys
                third = len(parameter) // 3
                parameter[third : 2 * third] = 0
    return network


def lavis_state(network: Blip2ForImageTextRetrieval) -> dict[str, torch.Tensor]:
    """The same weights under LAVIS's names, with the things that LAVIS keeps and nobody reads."""
    state = {}
    for key, value in network.state_dict().items():
        value = value.clone()
        if key.startswith("vision_model.post_layernorm."):
            state[key.replace("vision_model.post_layernorm", "ln_vision")] = value
        elif key.startswith("vision_model.embeddings."):
            part = key.removeprefix("vision_model.embeddings.")
            new = {"class_embedding": "cls_token", "position_embedding": "pos_embed"}.get(part)
            state["visual_encoder." + (new or part.replace("patch_embedding", "patch_embed.proj"))] = value
        elif key.startswith("vision_model.encoder.layers."):
            new = key.replace("vision_model.encoder.layers", "visual_encoder.blocks").replace("self_attn", "attn")
            new = new.replace("projection", "proj").replace("layer_norm", "norm")
            if new.endswith("qkv.bias"):
                query, _, values = value.chunk(3)
                state[new.replace("qkv.bias", "q_bias")] = query
                state[new.replace("qkv.bias", "v_bias")] = values
            else:
                state[new] = value
        elif key.startswith("qformer.encoder."):
            new = key.replace("qformer.encoder", "Qformer.bert.encoder")
            state[new.replace("attention.attention.", "attention.self.")] = value
        elif key.startswith("qformer.layernorm"):
            state[key.replace("qformer.layernorm", "Qformer.bert.embeddings.LayerNorm")] = value
        elif key.startswith("embeddings."):
            state["Qformer.bert." + key] = value
        else:
            state[key.replace("_projection", "_proj")] = value
    state["temp"] = torch.tensor(0.07)
    state["Qformer.bert.embeddings.position_ids"] = torch.arange(5)[None]
    state["Qformer.cls.predictions.bias"] = torch.zeros(len(PIECES) + 1)
    return state


def write_directory(network: Blip2ForImageTextRetrieval, folder: Path, dtype: torch.dtype = torch.float32) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    network.save_pretrained(folder, state_dict={k: v.to(dtype).contiguous() for k, v in network.state_dict().items()})
    vocabulary = {piece: number for number, piece in enumerate(PIECES)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_padding(length=20)  # as some checkpoints have it: must not reach the model
    tokenizer.enable_truncation(8)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def write_lavis(state: dict[str, torch.Tensor], path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": state}, path)
    (path.parent / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the person's own caches."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder / "hub"))
    return folder


class Small:
    """What the tests build small models with."""

    Sizes = Sizes
    PIECES = PIECES
    network = staticmethod(random_network)
    lavis_state = staticmethod(lavis_state)
    write_directory = staticmethod(write_directory)
    write_lavis = staticmethod(write_lavis)


@pytest.fixture(scope="session")
def small() -> type[Small]:
    return Small


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_directory(random_network(Sizes()), tmp_path_factory.mktemp("model"))
