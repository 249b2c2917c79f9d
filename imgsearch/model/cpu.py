"""What this computer's processor can do: which instructions it has, and how fast it multiplies matrices. No torch, but
in `probe` where bfloat16 is timed.

Instructions are detected and speeds are timed, never assumed: where a processor lacks them, torch's bfloat16 was 6.6
times slower than float32. A probe takes under a second and is remembered in the platform's cache folder.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from imgsearch.errors import UsageError
from imgsearch.extras import has_extra
from imgsearch.files import write_whole
from imgsearch.settings import available_cores

MASK = "IMGSEARCH_MASK_CPU"
"""Environment variable: instructions that count as missing, by Linux's names with commas between, or "all". To try what
another computer would do."""

BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Instructions that multiply bfloat16, by Linux's names: AVX-512, AMX, ARM."""

INT8 = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "i8mm", "asimddp"})
"""Instructions that multiply int8 and add int32."""

PAYS = 1.2
"""bfloat16 is taken from this many times float32's speed on. An EPYC with avx512_bf16 reached 2.06 in a ViT-g block."""

_HIDDEN_BY_ISA = {
    "SSE41": BFLOAT16 | INT8,
    "AVX": BFLOAT16 | INT8,
    "AVX2": BFLOAT16 | INT8,
    "AVX2_VNNI": BFLOAT16 | INT8 - {"avx_vnni"},
    "AVX512_CORE": BFLOAT16 | INT8,
    "AVX512_CORE_VNNI": BFLOAT16 | {"amx_int8"},
    "AVX512_CORE_BF16": frozenset({"amx_bf16", "amx_int8"}),
}
"""What oneDNN, which computes for torch, leaves unused under ONEDNN_MAX_CPU_ISA (oneDNN, "CPU Dispatcher Control")."""

_ROWS, _IN, _OUT, _ROUNDS = 514, 1408, 1408, 3
"""Two images' worth of rows at the ViT-g's width: 2 GFLOP, about 30 ms of a core in float32."""


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 by itself."""
    return bool(instructions() & BFLOAT16)


def has_int8() -> bool:
    """Whether the processor has dot products of int8, without which int8 is hardly faster than float32."""
    return bool(instructions() & INT8)


def instructions() -> frozenset[str]:
    """The names of the processor's instructions as Linux has them, less those that `MASK` or ONEDNN_MAX_CPU_ISA hide.
    Empty where the system does not tell. Raises UsageError where `MASK` holds a name that no processor is known for."""
    hidden = os.environ.get(MASK, "").lower().replace(",", " ").split()
    if "all" in hidden:
        return frozenset()
    known = BFLOAT16 | INT8 | _detected()
    unknown = [name for name in hidden if name not in known]
    if unknown:
        close = difflib.get_close_matches(unknown[0], known, 1)
        raise UsageError(
            f"{MASK} names the instruction {unknown[0]!r}, which is not known here"
            + (f" (did you mean {close[0]}?)" if close else ""),
            f"names with commas between, such as {', '.join(sorted(BFLOAT16 | INT8))}; or all",
        )
    limited = _HIDDEN_BY_ISA.get(os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper(), frozenset())
    return _detected() - frozenset(hidden) - limited


def bfloat16_pays() -> bool:
    """Whether models are computed in bfloat16 here: the instructions are there, and a probe found them faster. Imports
    torch the first time on such a processor, and never on another; False without torch."""
    if not has_bfloat16():
        return False
    rates = known_rates()
    return verdict(rates if "bfloat16" in rates else probe())


def verdict(rates: Mapping[str, float]) -> bool:
    """Whether bfloat16 pays by the rates of a probe, on a processor that has it."""
    return has_bfloat16() and rates.get("bfloat16", 0.0) >= PAYS * rates.get("float32", float("inf"))


def known_rates() -> dict[str, float]:
    """GFLOP a second of one core by dtype, as an earlier `probe` found them on this processor; {} before the first."""
    try:
        kept = json.loads(_cache_file().read_text(encoding="utf-8")).get(_key(), {})
        return {str(dtype): float(rate) for dtype, rate in kept.items() if float(rate) > 0}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def probe() -> dict[str, float]:
    """Time matrix products at the ViT-g's width, and remember the rates: GFLOP a second of one core, the best of three.
    CPU time counts, so that other work on the machine hardly matters. float32 in NumPy; bfloat16, and float32 beside
    it, in torch, where torch is installed and the processor has the instructions. A cache that cannot be written is no
    error."""
    rates = _torch_rates() if has_bfloat16() and has_extra("torch") else _numpy_rates()
    target = _cache_file()
    try:
        kept = json.loads(target.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        kept = {**(kept if isinstance(kept, dict) else {}), _key(): rates}
        write_whole(target, json.dumps(kept).encode(), mode=0o600, durable=False)
    except OSError:
        pass
    return rates


def _numpy_rates() -> dict[str, float]:
    import numpy as np

    left, right = np.ones((_ROWS, _IN), np.float32), np.ones((_IN, _OUT), np.float32)
    return {"float32": _rate(lambda: left @ right)}


def _torch_rates() -> dict[str, float]:
    import torch

    rates = {}
    for name in ("float32", "bfloat16"):
        left = torch.ones(_ROWS, _IN, dtype=getattr(torch, name))
        weights = torch.ones(_OUT, _IN, dtype=left.dtype)
        with torch.inference_mode():
            rates[name] = _rate(lambda x=left, w=weights: torch.nn.functional.linear(x, w))  # type: ignore[misc]
    return rates


def _rate(work: Callable[[], Any]) -> float:
    work()
    best = float("inf")
    for _ in range(_ROUNDS):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return 2e-9 * _ROWS * _IN * _OUT / max(best, 1e-6)


@lru_cache(maxsize=1)
def _detected() -> frozenset[str]:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(("flags", "Features")):
                return frozenset(line.partition(":")[2].split())
    except OSError:
        pass
    if platform.system() == "Darwin":
        return _of_apple()
    return frozenset()


def _of_apple() -> frozenset[str]:
    """Apple's names are FEAT_BF16 and FEAT_I8MM."""
    try:
        told = subprocess.run(["/usr/sbin/sysctl", "hw.optional.arm"], capture_output=True, text=True, timeout=5).stdout
    except (OSError, subprocess.SubprocessError):
        return frozenset()
    there = {line.partition(":")[0].rpartition("FEAT_")[2] for line in told.splitlines() if line.endswith(": 1")}
    names = {"BF16": "bf16", "I8MM": "i8mm", "DotProd": "asimddp"}
    return frozenset(names[feature] for feature in there & names.keys())


def _key() -> str:
    """What the rates depend on."""
    relevant = sorted(instructions() & (BFLOAT16 | INT8 | {"avx2", "avx512f"}))
    text = "\n".join((processor(), str(available_cores()), *relevant))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _cache_file() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("imgsearch", appauthor=False)) / "processor.json"
