"""The models that have a short name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_LAVIS = "https://storage.googleapis.com/sfr-vision-language-research/LAVIS/models/BLIP2"

# Weights of 4 bytes: 1.17 billion with the ViT-g, 0.47 billion with the ViT-L.
_VITG_BYTES, _VITL_BYTES = 4_700_000_000, 1_900_000_000
# benchmarks/memory.py, two cores, 4 pictures.
_VITG_MEMORY, _VITG_LARGE_MEMORY, _VITL_MEMORY = 4_900_000_000, 5_000_000_000, 2_100_000_000


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model that has a short name. ``download_bytes`` and ``memory_bytes`` are what a person must have free; memory
    is that of an `imgsearch index` in float32 on a CPU, with weights that only float32 holds. ``subject``: what its
    images and texts are about. ``repository``: on Hugging Face. ``files``: addresses of LAVIS's own files, the
    checkpoint first. With neither it ships with imgsearch."""

    name: str
    repository: str | None
    image_size: int
    download_bytes: int
    memory_bytes: int
    about: str
    subject: Literal["drawn scenes", "photographs"] = "photographs"
    files: tuple[str, ...] = ()

    @property
    def ships(self) -> bool:
        """Whether it comes with imgsearch."""
        return self.repository is None and not self.files


KNOWN = {
    model.name: model
    for model in (
        KnownModel(
            "mini",
            None,
            128,
            0,
            420_000_000,
            "ships with imgsearch; knows drawn scenes, not photographs",
            "drawn scenes",
        ),
        KnownModel(
            "blip2",
            "Salesforce/blip2-itm-vit-g",
            224,
            _VITG_BYTES,
            _VITG_MEMORY,
            "BLIP-2 ViT-g/14, for photographs",
        ),
        KnownModel(
            "blip2-coco",
            "Salesforce/blip2-itm-vit-g-coco",
            364,
            _VITG_BYTES,
            _VITG_LARGE_MEMORY,
            "BLIP-2 tuned on COCO captions; finer, three times slower",
        ),
        KnownModel(
            "blip2-vitl",
            None,
            224,
            _VITL_BYTES,
            _VITL_MEMORY,
            "BLIP-2 ViT-L/14, for photographs without a GPU; three times faster than blip2",
            files=(f"{_LAVIS}/blip2_pretrained_vitL.pth", f"{_LAVIS}/clip_vit_L.pth"),
        ),
    )
}
