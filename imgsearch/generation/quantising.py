"""Linear layers in 8 or 4 bits by bitsandbytes (extra ``quant``): which layers, and how they are replaced.

The choice is that of transformers: the ViT, the projection and the language model. The Q-Former, the language model's
head and T5's ``wo`` keep their dtype, because rounding them destroys the answers (transformers #21574, #25047).
"""

from __future__ import annotations

import logging
from typing import Any

import torch

from imgsearch.errors import ModelUnavailable, UsageError

KINDS = ("int8", "int4")
_BYTES = {"int8": 1.0, "int4": 0.5625}  # bytes of a weight; int4 keeps a float32 scale for each block of 64
_BLOCK = 64  # 4-bit values that share a scale; narrower layers fail in bitsandbytes and are not quantised
_ROWS = 32  # of a 4-bit weight, which bitsandbytes packs together on a CPU with AVX-512 BF16; it fails with others
_LEFT_OUT = ("qformer", "lm_head", "wo")


def check_quantize(quantize: str | None) -> None:
    """Raise UsageError for a word that is not in `KINDS`, ModelUnavailable if bitsandbytes is missing."""
    if quantize is None:
        return
    if quantize not in KINDS:
        raise UsageError(
            f"quantize is {quantize!r}, expected {' or '.join(KINDS)}", "leave it out for unquantised weights"
        )
    try:
        import bitsandbytes  # noqa: F401
    except Exception as exc:  # its libraries may not load on this machine
        raise ModelUnavailable(
            f"{quantize} needs bitsandbytes, which is not here or does not load: {type(exc).__name__}",
            "pip install 'imgsearch[quant]', or take bfloat16 and no quantize",
        ) from exc


def quantised_names(network: Any, quantize: str) -> set[str]:
    """The weights that a quantised network keeps in 8 or 4 bits."""
    rows = _ROWS if quantize == "int4" else 1
    return {
        f"{name}.weight"
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear)
        and not any(part in _LEFT_OUT for part in name.split("."))
        and module.in_features % _BLOCK == 0
        and module.out_features % rows == 0
    }


def bytes_of(count: int, quantize: str) -> int:
    """Bytes of ``count`` quantised weights."""
    return int(count * _BYTES[quantize])


def quantised(value: torch.Tensor, quantize: str, place: torch.device) -> Any:
    """One weight [out, in], quantised, on ``place``."""
    import bitsandbytes as bnb

    if quantize == "int8":
        weight = bnb.nn.Int8Params(value.float().contiguous(), requires_grad=False, has_fp16_weights=False)
    else:
        weight = bnb.nn.Params4bit(value.float().contiguous(), requires_grad=False, quant_type="nf4")
    return weight.to(place)


def install(network: Any, weights: dict[str, Any], quantize: str, kind: torch.dtype) -> None:
    """Replace layers of the network by quantised ones with ``weights``. ``kind`` is the dtype in which they compute."""
    import bitsandbytes as bnb

    # bitsandbytes warns at every multiplication that inputs are cast to float16, which is intended here.
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
    for name, weight in weights.items():
        path = name.removesuffix(".weight")
        old = network.get_submodule(path)
        bias = old.bias is not None
        with torch.device("meta"):
            if quantize == "int8":
                new = bnb.nn.Linear8bitLt(old.in_features, old.out_features, bias=bias, has_fp16_weights=False)
            else:
                new = bnb.nn.Linear4bit(
                    old.in_features, old.out_features, bias=bias, compute_dtype=kind, quant_type="nf4"
                )
        new.weight, new.bias = weight, old.bias
        owner, _, attribute = path.rpartition(".")
        setattr(network.get_submodule(owner), attribute, new.eval())
