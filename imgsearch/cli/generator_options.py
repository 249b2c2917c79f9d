"""Options shared by the verbs that write about images: the generator, the library, the lengths."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from imgsearch.cli.parser import whole
from imgsearch.settings import DTYPES

if TYPE_CHECKING:
    from imgsearch.generators import GeneratorOptions
    from imgsearch.settings import Settings
    from imgsearch.storage import Store


def add_generator_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose the generator."""
    parser.add_argument("--library", metavar="DIR", help="where the library is")
    parser.add_argument(
        "--generator",
        metavar="NAME",
        help="the generator: blip2-opt-2.7b or another published BLIP-2 in the cache, a directory, a Hugging "
        "Face id, a LAVIS .pth, or mini, which knows drawn scenes only (mini for a library of the small model)",
    )
    parser.add_argument(
        "--language-model", metavar="DIR", help="for a LAVIS .pth: the OPT or Flan-T5 that it was trained with"
    )
    parser.add_argument("--quantize", choices=("int8", "int4"), help="keep weights in 8 or 4 bits (needs bitsandbytes)")
    parser.add_argument("--model", metavar="NAME", help="the model that checks the texts (default: the library's own)")
    parser.add_argument("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1")
    parser.add_argument("--dtype", choices=DTYPES, metavar="DTYPE", help="auto, float32, bfloat16, float16")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--quiet", action="store_true", help="no progress and no messages on stderr")


def add_length_options(parser: argparse.ArgumentParser, most: int) -> None:
    """Add the options that decide how texts are drawn; ``most`` is the default number of new tokens."""
    parser.add_argument("--beams", type=whole(1, 64), default=5, metavar="N", help="beams; 1 is greedy (5)")
    parser.add_argument(
        "--max-tokens", type=whole(1, 512), default=most, metavar="N", help=f"at most N new tokens ({most})"
    )
    parser.add_argument("--min-tokens", type=whole(0, 512), default=1, metavar="N", help="at least N new tokens (1)")


def generator_options(arguments: argparse.Namespace) -> GeneratorOptions:
    """The arguments of `imgsearch.generators.open_generator`."""
    from imgsearch.generators import GeneratorOptions

    return GeneratorOptions(arguments.language_model, arguments.quantize)


@contextlib.contextmanager
def library_if_any(arguments: argparse.Namespace, settings: Settings, *, needed: bool) -> Iterator[Store | None]:
    """The library, opened; None if none was named, none exists and none is ``needed``. Raises LibraryMissing, and
    ModelMismatch if another model was named than the library's."""
    from imgsearch import storage
    from imgsearch.app import model_id

    if not needed and arguments.library is None and not storage.library_exists(settings.library):
        yield None
        return
    with storage.open_store(settings.library, catalog_url=settings.catalog_url) as store:
        if arguments.model:
            store.require_model(model_id(settings, store.model))
        yield store
