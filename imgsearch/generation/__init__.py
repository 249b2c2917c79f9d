"""From an image to words: captions, and answers to questions, by the generative half of BLIP-2. Importing this loads no
torch; `load_generator` does. `imgsearch.generation.contract` says what a generator can do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.extras import needs_extra
from imgsearch.generation.contract import Answer, Caption, Captions, Generator

if TYPE_CHECKING:
    from imgsearch.generation.blip2 import Blip2Generator

__all__ = ["Answer", "Caption", "Captions", "Generator", "load_generator"]


def load_generator(
    name: str | Path,
    language_model: str | Path | None = None,
    device: str = "auto",
    dtype: str = "auto",
    *,
    image_size: int | None = None,
    quantize: str | None = None,
) -> Blip2Generator:
    """Load a BLIP-2 that writes: "mini", a name in `imgsearch.generation.sources.KNOWN`, a Hugging Face id in the local
    cache, a directory, or a LAVIS ``.pth``. Never downloads, and never uses another model instead.

    A LAVIS ``.pth`` holds no language model. ``language_model`` names the directory (or cached Hugging Face id) of the
    OPT or Flan-T5 that it was trained with. Its pre-trained form takes the ViT from ``eva_vit_g.pth`` beside it. If
    ``image_size`` (pixels) differs from the checkpoint's, the ViT's position table is interpolated.

    ``device`` "auto" is CUDA if there is one, else the CPU. ``dtype`` "auto" is bfloat16 on CUDA, float32 elsewhere.
    ``quantize`` "int8" or "int4" keeps the weights of the ViT and the language model in that many bits (bitsandbytes,
    extra ``quant``); ``dtype`` is then that of the rest.

    Raises UsageError (a bad argument, a ``.pth`` without a language model), ModelUnavailable (an unknown name, files
    missing or half downloaded), CheckpointInvalid (a retrieval checkpoint, another architecture, damaged, unsafe) and
    NotEnoughMemory. Cost: reads every weight once.
    """
    from imgsearch.generation.sources import find_generator
    from imgsearch.model.checkpoints.identity import check_arguments

    check_arguments(device, dtype, image_size)
    find_generator(name, language_model)  # a wrong name is an error at once, not after torch has been loaded
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `imgsearch.model.load_model` says
    with needs_extra("writing captions and answers", "torch"):
        from imgsearch.generation.loading import load

    return load(name, language_model, device, dtype, image_size, quantize)
