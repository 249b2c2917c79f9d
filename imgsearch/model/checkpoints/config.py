"""What a checkpoint's config.json says, as far as the arithmetic asks, and the tensors that must then be there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

Shape = tuple[int, ...]
ARCHITECTURES = {"Blip2ForImageTextRetrieval": False, "Blip2ClipForImageTextRetrieval": True}
"""By name, whether its ViT is CLIP's. That one is ours: transformers would pass over the norm before the first block
without a word, so its name and type are none that transformers knows."""

MODEL_TYPES = ("blip-2", "imgsearch-blip-2-clip")
_NUMPY_ACTIVATIONS = frozenset({"gelu", "quick_gelu"})


@dataclass(frozen=True, slots=True)
class VisionSizes:
    """The ViT: ``image`` and ``patch`` in pixels, ``width`` W, ``mlp`` the feed-forward width. The last four are of
    EVA's kind unless set; CLIP's has the activation "quick_gelu", a norm before its first block, patches without bias,
    and a position table whose corners stay in place when it is resized."""

    image: int
    patch: int
    width: int
    mlp: int
    layers: int
    heads: int
    epsilon: float
    last_epsilon: float
    qkv_bias: bool
    activation: str = "gelu"
    first_norm: bool = False
    patch_bias: bool = True
    aligned_corners: bool = False

    @property
    def grid(self) -> int:
        """Patches a side."""
        return self.image // self.patch

    @property
    def positions(self) -> int:
        """N, the class token and the patches."""
        return 1 + self.grid**2


@dataclass(frozen=True, slots=True)
class QFormerSizes:
    """The Q-Former: ``width`` H, ``mlp`` the feed-forward width, ``cross_every`` n: layers 0, n, 2n see images."""

    width: int
    mlp: int
    layers: int
    heads: int
    epsilon: float
    cross_every: int
    positions: int
    vocabulary: int
    activation: str = "gelu"


@dataclass(frozen=True, slots=True)
class Blip2Sizes:
    """A BLIP-2 with an image-text matching head: ``tokens`` T, ``dims`` D."""

    vision: VisionSizes
    qformer: QFormerSizes
    tokens: int
    dims: int

    def at(self, image_size: int) -> Blip2Sizes:
        """The same model for images of ``image_size`` pixels a side."""
        return replace(self, vision=replace(self.vision, image=image_size))


def read_sizes(config: Mapping[str, Any]) -> Blip2Sizes | None:
    """The sizes in a Blip2Config given as a dictionary. None where it describes something that is not computed in
    NumPy: another activation than the exact GELU and CLIP's, an image that is not square, a Q-Former that reads no
    text."""
    found = parse_sizes(config)
    if found is None or not reads_text(config):
        return None
    return found if {found.vision.activation, found.qformer.activation} <= _NUMPY_ACTIVATIONS else None


def reads_text(config: Mapping[str, Any]) -> bool:
    """Whether the Q-Former of a Blip2Config has layers for words."""
    return bool((config.get("qformer_config") or {}).get("use_qformer_text_input", False))


def parse_sizes(config: Mapping[str, Any]) -> Blip2Sizes | None:
    """The sizes in a Blip2Config given as a dictionary, whatever its activations; what it leaves out is the default of
    transformers 5 (models/blip_2/configuration_blip_2.py). None where they are not positive whole numbers that fit
    together."""
    try:
        found = Blip2Sizes(
            _vision(config.get("vision_config") or {}),
            _qformer(config.get("qformer_config") or {}),
            config.get("num_query_tokens", 32),
            config.get("image_text_hidden_size", 256),
        )
        return found if _sensible(found) else None
    except (TypeError, ValueError, AttributeError):
        return None


def published_sizes(image_size: int = 224, *, clip: bool = False) -> Blip2Sizes:
    """Those of the authors' BLIP-2 with a ViT-g, which are transformers' defaults, or with CLIP's ViT-L."""
    vision: dict[str, Any] = {"image_size": image_size}
    if clip:
        vision |= {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "hidden_act": "quick_gelu"}
        vision |= {"pre_layer_norm": True, "patch_bias": False, "align_corners": True, "layer_norm_eps": 1e-5}
    return Blip2Sizes(_vision(vision), _qformer({}), tokens=32, dims=256)


def _vision(config: Mapping[str, Any]) -> VisionSizes:
    epsilon = float(config.get("layer_norm_eps", 1e-6))
    # Keys of our own: LAVIS's last norm has an epsilon of its own, and transformers has no ViT of CLIP's kind here.
    last = config.get("post_layer_norm_eps")
    return VisionSizes(
        image=config.get("image_size", 224),
        patch=config.get("patch_size", 14),
        width=config.get("hidden_size", 1408),
        mlp=config.get("intermediate_size", 6144),
        layers=config.get("num_hidden_layers", 39),
        heads=config.get("num_attention_heads", 16),
        epsilon=epsilon,
        last_epsilon=epsilon if last is None else float(last),
        qkv_bias=bool(config.get("qkv_bias", True)),
        activation=str(config.get("hidden_act", "gelu")),
        first_norm=bool(config.get("pre_layer_norm", False)),
        patch_bias=bool(config.get("patch_bias", True)),
        aligned_corners=bool(config.get("align_corners", False)),
    )


def _qformer(config: Mapping[str, Any]) -> QFormerSizes:
    return QFormerSizes(
        width=config.get("hidden_size", 768),
        mlp=config.get("intermediate_size", 3072),
        layers=config.get("num_hidden_layers", 12),
        heads=config.get("num_attention_heads", 12),
        epsilon=float(config.get("layer_norm_eps", 1e-12)),
        cross_every=config.get("cross_attention_frequency", 2),
        positions=config.get("max_position_embeddings", 512),
        vocabulary=config.get("vocab_size", 30522),
        activation=str(config.get("hidden_act", "gelu")),
    )


def _sensible(sizes: Blip2Sizes) -> bool:
    vision, qformer = sizes.vision, sizes.qformer
    numbers = (
        *(vision.image, vision.patch, vision.width, vision.mlp, vision.layers, vision.heads),
        *(qformer.width, qformer.mlp, qformer.layers, qformer.heads, qformer.cross_every),
        *(qformer.positions, qformer.vocabulary, sizes.tokens, sizes.dims),
    )
    if not all(type(number) is int and number > 0 for number in numbers):
        return False
    return vision.width % vision.heads == 0 and qformer.width % qformer.heads == 0 and vision.image >= vision.patch


def expected_shapes(sizes: Blip2Sizes) -> Iterator[tuple[str, Shape]]:
    """Every tensor that a model of these sizes has, by the name in transformers' Blip2ForImageTextRetrieval."""
    vision, qformer = sizes.vision, sizes.qformer
    width = qformer.width
    yield "query_tokens", (1, sizes.tokens, width)
    yield "embeddings.word_embeddings.weight", (qformer.vocabulary, width)
    yield "embeddings.position_embeddings.weight", (qformer.positions, width)
    yield from _norm("qformer.layernorm", width)
    for name, out in (("vision_projection", sizes.dims), ("text_projection", sizes.dims), ("itm_head", 2)):
        yield from _linear(name, width, out)
    for number in range(qformer.layers):
        yield from _qformer_layer(f"qformer.encoder.layer.{number}", number, sizes)
    embeddings = "vision_model.embeddings."
    yield embeddings + "class_embedding", (1, 1, vision.width)
    yield embeddings + "position_embedding", (1, vision.positions, vision.width)
    yield embeddings + "patch_embedding.weight", (vision.width, 3, vision.patch, vision.patch)
    if vision.patch_bias:
        yield embeddings + "patch_embedding.bias", (vision.width,)
    if vision.first_norm:
        yield from _norm("vision_model.pre_layernorm", vision.width)
    yield from _norm("vision_model.post_layernorm", vision.width)
    for number in range(vision.layers):
        yield from _vision_layer(f"vision_model.encoder.layers.{number}", vision)


def _vision_layer(name: str, sizes: VisionSizes) -> Iterator[tuple[str, Shape]]:
    width = sizes.width
    yield from _norm(name + ".layer_norm1", width)
    yield from _norm(name + ".layer_norm2", width)
    yield name + ".self_attn.qkv.weight", (3 * width, width)
    if sizes.qkv_bias:
        yield name + ".self_attn.qkv.bias", (3 * width,)
    yield from _linear(name + ".self_attn.projection", width, width)
    yield from _linear(name + ".mlp.fc1", width, sizes.mlp)
    yield from _linear(name + ".mlp.fc2", sizes.mlp, width)


def _qformer_layer(name: str, number: int, sizes: Blip2Sizes) -> Iterator[tuple[str, Shape]]:
    width, mlp = sizes.qformer.width, sizes.qformer.mlp
    sources = {"attention": width}
    if number % sizes.qformer.cross_every == 0:
        sources["crossattention"] = sizes.vision.width
    for kind, source in sources.items():
        yield from _linear(f"{name}.{kind}.attention.query", width, width)
        yield from _linear(f"{name}.{kind}.attention.key", source, width)
        yield from _linear(f"{name}.{kind}.attention.value", source, width)
        yield from _linear(f"{name}.{kind}.output.dense", width, width)
        yield from _norm(f"{name}.{kind}.output.LayerNorm", width)
    for branch in ("", "_query"):
        yield from _linear(f"{name}.intermediate{branch}.dense", width, mlp)
        yield from _linear(f"{name}.output{branch}.dense", mlp, width)
        yield from _norm(f"{name}.output{branch}.LayerNorm", width)


def _linear(name: str, size: int, out: int) -> Iterator[tuple[str, Shape]]:
    yield name + ".weight", (out, size)
    yield name + ".bias", (out,)


def _norm(name: str, width: int) -> Iterator[tuple[str, Shape]]:
    yield name + ".weight", (width,)
    yield name + ".bias", (width,)
