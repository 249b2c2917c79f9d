"""OpenVINO itself, imported once, and its compiled graphs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from imgsearch.errors import CheckpointInvalid
from imgsearch.extras import needs_extra
from imgsearch.model.cpu import has_bfloat16
from imgsearch.records import Float32
from imgsearch.settings import available_cores


def openvino(what: str) -> Any:
    """The package. Raises ExtraMissing, whose message begins with ``what``."""
    # Its telemetry reports an import to a server; without that package it has a stub.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    with needs_extra(what, "openvino"):
        import openvino as package
    return package


class Graph:
    """A compiled graph with one input and one output. ``precision``: what is not int8 is computed in, "f32" or
    "bf16"."""

    def __init__(self, source: Path | Any, precision: str) -> None:
        """``source``: an ``.xml`` beside its ``.bin``, or a graph in memory. Raises CheckpointInvalid for a file that
        cannot be read. Cost: the weights in memory, put into the order that the processor's instructions take."""
        package = openvino("an exported model")
        core = package.Core()
        # A mapped file's pages would count as memory beside the weights in their new order.
        settings = {"ENABLE_MMAP": False}
        try:
            graph = core.read_model(source, config=settings) if isinstance(source, Path) else source
            compiled = core.compile_model(graph, "CPU", _options(precision))
        except RuntimeError as exc:
            reason = str(exc).strip().splitlines()[-1]
            raise CheckpointInvalid(
                f"{source} cannot be read: {reason}", "remove its folder, and export again"
            ) from exc
        self._request = compiled.create_infer_request()

    def __call__(self, batch: Float32) -> Float32:
        """float32 of the graph's input shape -> float32. Raises MemoryError."""
        try:
            found = self._request.infer({0: np.ascontiguousarray(batch)})[0]
        except RuntimeError as exc:
            if "alloc" in str(exc):
                raise MemoryError(str(exc)) from exc
            raise
        answer: Float32 = np.array(found, np.float32)  # the request writes its next answer to the same memory
        return answer


def rest_precision(dtype: str) -> str:
    """What a graph's parts that are not int8 are computed in: "bf16" in bfloat16, and beside int8 where the processor
    has the instructions; else "f32"."""
    return "bf16" if dtype == "bfloat16" or (dtype.startswith("int8") and has_bfloat16()) else "f32"


def threads() -> int:
    """The cores of this process, or fewer where OMP_NUM_THREADS says so."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return min(available_cores(), int(told)) if told.isdecimal() and int(told) else available_cores()


def _options(precision: str) -> dict[str, Any]:
    return {
        "INFERENCE_PRECISION_HINT": precision,  # without it bfloat16 is taken wherever the processor has it
        "EXECUTION_MODE_HINT": "ACCURACY" if precision == "f32" else "PERFORMANCE",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads(),
        "ENABLE_CPU_PINNING": False,  # decoding processes use the same cores
    }
