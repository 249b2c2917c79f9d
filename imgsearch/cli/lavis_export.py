"""`imgsearch models export NAME --format lavis OUT.pth`: a model as the file that LAVIS opens."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from imgsearch.errors import CheckpointInvalid


def add_format(export: argparse.ArgumentParser) -> None:
    """Add the arguments to the parser of `imgsearch models export`."""
    export.add_argument(
        "--format",
        nargs="+",
        action=_Format,
        default=["openvino"],
        metavar=("lavis", "OUT.pth"),
        help="lavis OUT.pth: write the file that salesforce-lavis opens; of a retrieval model with its vocab.txt "
        "beside it, of a generator without its language model",
    )


class _Format(argparse.Action):
    """ "openvino", or "lavis" and a file's name."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option: str | None = None) -> None:
        if not (values == ["openvino"] or (values[0] == "lavis" and len(values) == 2)):
            parser.error("--format takes lavis OUT.pth, or openvino")
        setattr(namespace, self.dest, values)


def export_lavis(arguments: argparse.Namespace) -> int:
    """Write the file."""
    path = Path(arguments.format[1]).expanduser()
    if _writes(arguments.name):
        note = _export_generator(arguments.name, path)
    else:
        from imgsearch.model import load_model
        from imgsearch.model.runtimes.torch.lavis_file import export_lavis as write

        note = write(load_model(arguments.name, device="cpu", dtype="float32", image_size=arguments.image_size), path)
    print(f"{arguments.name} is in {path}; in LAVIS: model.load_checkpoint({str(path)!r})")
    if note:
        print(f"note: {note}", file=sys.stderr)
    return 0


def _writes(name: str) -> bool:
    """Whether the name is a generator's and no retrieval model's."""
    from imgsearch.generation.sources import find_generator
    from imgsearch.model.checkpoints.resolve import find_source

    try:
        find_source(name)
    except CheckpointInvalid as refusal:
        try:
            find_generator(name)
        except CheckpointInvalid:
            raise refusal from None
        return True
    return False


def _export_generator(name: str, path: Path) -> str:
    from imgsearch.generation import load_generator
    from imgsearch.model.checkpoints.lavis_export import other_heads, write_generative

    network = load_generator(name, device="cpu", dtype="float32").network
    write_generative(path, network.state_dict().items(), network.config.text_config.model_type)
    vision, qformer = network.config.vision_config, network.config.qformer_config
    parts = ((part.hidden_size, part.num_attention_heads) for part in (vision, qformer))
    return other_heads(*parts, clip=False)
