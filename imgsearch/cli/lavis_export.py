"""`imgsearch models export NAME --format lavis OUT.pth`: a model as the file that LAVIS opens."""

from __future__ import annotations

import argparse
from pathlib import Path

from imgsearch.errors import CheckpointInvalid, UsageError


def add_format(export: argparse.ArgumentParser) -> None:
    """Add the arguments to the parser of `imgsearch models export`."""
    export.add_argument("out", metavar="OUT.pth", nargs="?", help="with --format lavis: the file to write")
    export.add_argument(
        "--format",
        choices=("openvino", "lavis"),
        default="openvino",
        help="lavis: a .pth for salesforce-lavis; of a retrieval model with its vocab.txt beside it, of a generator "
        "without its language model (openvino)",
    )


def export_lavis(arguments: argparse.Namespace) -> int:
    """Write the file."""
    if not arguments.out:
        raise UsageError(
            "--format lavis needs the file to write", "imgsearch models export NAME --format lavis OUT.pth"
        )
    path = Path(arguments.out).expanduser()
    if _writes(arguments.name):
        _export_generator(arguments.name, path)
    else:
        from imgsearch.model import load_model
        from imgsearch.model.runtimes.torch.lavis_file import export_lavis as write

        write(load_model(arguments.name, device="cpu", dtype="float32", image_size=arguments.image_size), path)
    print(f"{arguments.name} is in {path}; in LAVIS: model.load_checkpoint({str(path)!r})")
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


def _export_generator(name: str, path: Path) -> None:
    from imgsearch.generation import load_generator
    from imgsearch.model.checkpoints.lavis_export import write_generative

    network = load_generator(name, device="cpu", dtype="float32").network
    write_generative(path, network.state_dict().items(), network.config.text_config.model_type)
