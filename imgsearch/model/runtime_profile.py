"""What a model costs on this computer, and the defaults that follow from it: batch sizes, how deep a re-rank goes, and
when torch is worth its import. Importing this loads no torch.

`imgsearch.model.runtimes.costs` makes a profile from a checkpoint's sizes. A loaded model carries its own, so nobody
needs to ask for a device's name or an image's size to learn what is cheap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RuntimeName = Literal["numpy", "torch", "openvino"]

CHEAP_IMAGE_GFLOP = 10.0
"""An image below this takes at most a sixth of a second of one core. The small model takes 0.4 GFLOP (13 ms), BLIP-2 at
224 pixels 533 GFLOP (7 s); nothing that is known lies between them."""

IMAGES_WITHOUT_TORCH = 128
"""Images that a cheap model encodes in NumPy: `imgsearch index` of 40 takes 2.5 s of CPU time, 9.3 with torch, whose
import is most of that. For 450 it would take 16 s against 13: on busy cores NumPy's threads wait for each other."""

_CPU_GFLOP_PER_SECOND = 63.0
"""float32, one core: ViT-g's 533 GFLOP in 4.2 s on two cores of an EPYC (7.1 s on one: 75); the small model reaches 46
(16 images in 140 ms). An estimate within a factor of two for other CPUs."""

_CUDA_GFLOP_PER_SECOND = 505_000.0
"""16-bit floats on one H200, ViT-g, batch 128: 947 images/s of 533 GFLOP. Smaller cards are slower by their matmul
rate."""

_ACCELERATOR_BATCH = 64
"""97 % of the H200's best rate (923 of 947 images/s at batch 128), in half the memory."""

_CPU_CHEAP_BATCH, _CPU_BATCH = 32, 4
"""About 0.3 s of two cores with the small model, 16 s with BLIP-2, whose activations fill memory before a larger batch
gains anything."""

_ACCELERATOR_RERANK, _CPU_CHEAP_RERANK, _CPU_RERANK = 64, 16, 16
"""Half of what the authors evaluate with, where it costs next to nothing (230 ms on an H200 with features kept); 0.2 s
of one core with the small model, whose images are decoded and encoded again; and with BLIP-2 what `_CPU_BUDGET_MS`
suffices for where features are kept (0.15 to 0.3 s each)."""

_CPU_BUDGET_MS = 3000
"""How long a person is made to wait unasked for a re-rank with a large model on a CPU. Settings change it
(``rerank_budget_ms``)."""

_ACCELERATOR_STEP, _CHEAP_PAIR_STEP, _CPU_PAIR_STEP = 64, 16, 4
"""Candidates matched at once: on a CPU few enough that a time budget is kept to. 16 pairs of the small model take 54 ms
by four and 43 all at once, since what all pairs share is computed once (one core)."""

_CPU_PAIR_BYTES, _ACCELERATOR_PAIR_BYTES = 128_000_000, 4_000_000_000

LOSS = {
    "bfloat16": "matching logits within 0.05, recall unchanged",
    "float16": "matching logits within 0.004, recall unchanged",
    "int8": "0.2 points of R@1 with the small model; its export says the cosine",
}
"""By dtype, against float32. bfloat16 and float16: LAVIS's recorded answers for its small checkpoint, and the shipped
small model's recall (tests/model/test_lavis_parity.py, benchmarks/quality.py)."""


@dataclass(frozen=True, slots=True)
class RuntimeProfile:
    """One checkpoint on one device in one dtype. The costs come from the checkpoint's sizes: ``image_gflop`` is the ViT
    and the Q-Former over one image, ``pair_gflop`` one image's features matched with a text of 32 word pieces,
    ``weight_bytes`` all weights in ``dtype``. ``cores``: CPU cores that this process may use. ``gflop_per_second``:
    what one core of this computer does of such a model, as a probe timed it (`imgsearch.model.cpu`) or an export
    (`imgsearch.model.runtimes.openvino`); None where nothing was."""

    runtime: RuntimeName
    device: str  # "cpu", "cuda:0", "mps"
    dtype: str  # "float32", "bfloat16", "float16", "int8"
    image_gflop: float
    pair_gflop: float
    weight_bytes: int
    cores: int = 1
    gflop_per_second: float | None = None
    rerank_budget_ms: int = -1

    @property
    def on_cpu(self) -> bool:
        """Whether the CPU computes, whose cores decoding and serving want too."""
        return self.device.startswith("cpu")

    @property
    def cheap(self) -> bool:
        """Whether an image is quickly encoded on a CPU."""
        return self.image_gflop <= CHEAP_IMAGE_GFLOP

    @property
    def loss(self) -> str:
        """What this arithmetic loses against float32, in words; "" for nothing."""
        return LOSS.get(self.dtype.partition("-")[0], "")

    @property
    def image_seconds(self) -> float | None:
        """Estimated seconds for one image of a full batch; None where nothing like it was measured."""
        return self._seconds(self.image_gflop)

    @property
    def pair_seconds(self) -> float | None:
        """Estimated seconds for one text with one image whose features are kept; None as for ``image_seconds``."""
        return self._seconds(self.pair_gflop)

    @property
    def batch_size(self) -> int:
        """Images to encode at once."""
        return self._by_cost(_ACCELERATOR_BATCH, _CPU_CHEAP_BATCH, _CPU_BATCH)

    @property
    def rerank_depth(self) -> int:
        """Candidates that are re-ranked unless the person says: by cost, never by k."""
        return self._by_cost(_ACCELERATOR_RERANK, _CPU_CHEAP_RERANK, _CPU_RERANK)

    @property
    def rerank_ms(self) -> float | None:
        """After how many milliseconds a re-rank ends, unless a search asks for its own time: ``rerank_budget_ms``,
        where 0 is no limit and -1 by cost; None for no limit."""
        if self.rerank_budget_ms >= 0:
            return self.rerank_budget_ms or None
        return _CPU_BUDGET_MS if self.one_by_one else None

    @property
    def one_by_one(self) -> bool:
        """Whether one image takes so long that a re-rank within a time looks at each by itself."""
        return self.on_cpu and not self.cheap

    @property
    def pair_step(self) -> int:
        """Candidates that a re-rank matches at once."""
        if not self.on_cpu:
            return _ACCELERATOR_STEP
        return _CHEAP_PAIR_STEP if self.cheap else _CPU_PAIR_STEP

    @property
    def feature_step(self) -> int:
        """Images that a re-rank encodes at once. One on a CPU: the company of a batch moves the last bits of a feature,
        and with them, now and then, a step of its int8 form."""
        return 1 if self.on_cpu else _ACCELERATOR_STEP

    @property
    def pair_working_bytes(self) -> int:
        """Working space that one pass of the Q-Former over pairs may take."""
        return _CPU_PAIR_BYTES if self.on_cpu else _ACCELERATOR_PAIR_BYTES

    @property
    def images_without_torch(self) -> int:
        """Images to encode in NumPy before torch is worth its import; 0 where torch encodes from the first."""
        return IMAGES_WITHOUT_TORCH if self.runtime == "numpy" and self.cheap else 0

    @property
    def overlaps_commits(self) -> bool:
        """Whether a batch is committed while the next one is encoded: only where that takes no core from it."""
        return not self.on_cpu

    def _by_cost(self, accelerator: int, cheap: int, costly: int) -> int:
        if not self.on_cpu:
            return accelerator
        return cheap if self.cheap else costly

    def _seconds(self, gflop: float) -> float | None:
        if self.on_cpu:
            rate = self.gflop_per_second or (_CPU_GFLOP_PER_SECOND if self.dtype == "float32" else None)
            return None if rate is None else gflop / (rate * self.cores)
        if self.device.startswith("cuda") and self.dtype in ("bfloat16", "float16"):
            return gflop / _CUDA_GFLOP_PER_SECOND
        return None
