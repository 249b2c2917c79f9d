"""What `imgsearch models` says of runtimes: the processor, exports for OpenVINO, and `imgsearch models export`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imgsearch.cli.lavis_export import add_format, export_lavis
from imgsearch.cli.output.progress import phases
from imgsearch.extras import has_extra
from imgsearch.model.cpu import has_bfloat16, has_int8, known_rates, probe, verdict
from imgsearch.model.runtimes.openvino.exports import ExportedPart
from imgsearch.model.runtimes.openvino.opening import make_export

DTYPES = ("float32", "bfloat16", "int8")

_EXPORT_DESCRIPTION = """\
Write a model's ViT and image branch for OpenVINO, once, beside its weights (or in the cache folder, where one may not
write there), and compare it with torch: an export that is off is not kept. int8 is calibrated on pictures: your own
(--pictures), or drawn scenes. `imgsearch index --dtype int8` then uses it."""


def add_export(verbs: Any) -> None:
    """Add the parser of `imgsearch models export`."""
    export = verbs.add_parser("export", help="prepare a model for OpenVINO (int8 and bfloat16), or write it for LAVIS")
    export.description = _EXPORT_DESCRIPTION
    export.add_argument("name", metavar="NAME", help="mini, blip2, blip2-vitl, a directory, a .pth")
    export.add_argument("--dtype", choices=DTYPES, default="int8", help="its arithmetic (int8)")
    export.add_argument("--pictures", metavar="PATH", action="append", default=[], help="to calibrate int8 on")
    export.add_argument("--image-size", type=int, metavar="S", help="pixels; the model's own unless given")
    export.add_argument("--quiet", action="store_true", help="no messages on stderr")
    add_format(export)


def run_export(arguments: argparse.Namespace) -> int:
    """Export a model."""
    if arguments.format[0] == "lavis":
        return export_lavis(arguments)
    with phases(arguments) as told:
        part = export_on(arguments.name, arguments.dtype, arguments.image_size, arguments.pictures, told.say)
    for words in exports_in_words([part]):
        print(words)
    asked = "--runtime openvino" if part.dtype == "float32" else f"--dtype {arguments.dtype}"
    print(f"next: imgsearch index --model {arguments.name} {asked} FOLDER")
    return 0


def export_on(name: str, dtype: str, image_size: int | None, places: Sequence[str], say: Any) -> ExportedPart:
    """Export a model, int8 calibrated on the pictures in ``places``. Raises UsageError where one is not there."""
    from imgsearch.model.runtimes.openvino.calibration import pictures_in

    return make_export(name, dtype, image_size, pictures_in([Path(place) for place in places], dtype), say)[1]


def timed_once() -> None:
    """Time the processor, unless that was done before."""
    if not known_rates():
        probe()


def exports_in_words(parts: Sequence[ExportedPart]) -> list[str]:
    """A sentence for each export."""
    return [
        f"exported for OpenVINO: {part.dtype}, {part.gflop_per_second / part.float32_gflop_per_second:.2g} times "
        f"torch's float32 on {part.processor}; {part.loss}"
        + (f"; calibrated on {part.calibrated}" if part.calibrated else "")
        for part in parts
    ]


def processor_in_words() -> list[str]:
    """What the processor can do, and what follows."""
    rates = known_rates()
    lines = []
    timed = ", ".join(f"{rate:.0f} GFLOP/s a core in {dtype}" for dtype, rate in rates.items())
    if timed:
        lines.append(f"This processor, timed once: {timed}.")
    if not has_bfloat16():
        lines.append("It has no instructions for bfloat16 (avx512_bf16, AMX): models run in float32.")
    elif not has_extra("torch"):
        lines.append("It has instructions for bfloat16, which need torch: pip install 'imgsearch[torch]'")
    elif rates and not verdict(rates):
        lines.append(
            "It has instructions for bfloat16, which gained nothing when they were timed: models run in float32."
        )
    if not has_int8():
        lines.append("It has none for int8 (VNNI, AMX): int8 would be no faster than float32.")
    elif not has_extra("openvino"):
        lines.append("It has instructions for int8, which need OpenVINO: pip install 'imgsearch[openvino]'")
    return lines
