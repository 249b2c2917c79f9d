"""`imgsearch features`: the Q-Former's features of images and texts, for other programs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgsearch.cli.command import Command
from imgsearch.cli.generator_options import library_if_any
from imgsearch.cli.listed import listed_texts
from imgsearch.cli.named_images import found_ids, read_named, subjects_of
from imgsearch.cli.output.progress import phases
from imgsearch.cli.output.streams import without_chatter
from imgsearch.cli.output.terminal import shown
from imgsearch.cli.parser import whole
from imgsearch.errors import ExtraMissing, MediaError, UsageError
from imgsearch.extraction import MODES, FeatureRow, feature_file, require_new
from imgsearch.settings import DTYPES, load_settings
from imgsearch.wording import counted

if TYPE_CHECKING:
    from imgsearch.captions.subjects import Subject
    from imgsearch.settings import Settings
    from imgsearch.storage import Store

_DESCRIPTION = """\
Write features as LAVIS's extract_features gives them: of pictures (32 states of the Q-Former and the 32 unit vectors
that a search compares), of texts (one for each word piece, the first for the whole), or of pictures read together with
a text (32 states). PICTURE is a file, an id of the library, or a query over it; --all takes the whole library.

FILE.parquet has a row for each (image_id, path, text, tokens, embeds, embeds_proj). FILE.npy holds float32 [rows,
tokens, width], FILE.proj.npy the unit vectors, FILE.rows.csv what each row is of.
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _DESCRIPTION
    parser.add_argument("words", nargs="*", metavar="PICTURE", help="pictures, or a query over the library")
    parser.add_argument("--mode", choices=MODES, default="image", help="(image)")
    parser.add_argument("--all", action="store_true", help="every picture of the library")
    parser.add_argument(
        "--text", action="append", metavar="TEXT", help="a text; as often as needed, one for all or each"
    )
    parser.add_argument("--texts", type=Path, metavar="FILE", help="texts, one a line")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="a new file: .npy or .parquet")
    parser.add_argument("--top", type=whole(1, 10_000_000), default=1000, metavar="N", help="of a query, most (1000)")
    parser.add_argument("--library", metavar="DIR", help="where the library is")
    parser.add_argument("--model", metavar="NAME", help="the library's own unless given")
    parser.add_argument("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1")
    parser.add_argument("--dtype", choices=DTYPES, metavar="DTYPE", help="auto, float32, bfloat16, float16")
    parser.add_argument("--batch-size", type=whole(1), metavar="N", help="rows computed at once (by device)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--quiet", action="store_true", help="no progress and no messages on stderr")


def _run(arguments: argparse.Namespace) -> int:
    from imgsearch.app import open_model

    require_new(arguments.out)
    texts = _texts(arguments)
    with_images = arguments.mode != "text"
    if with_images and not (arguments.words or arguments.all):
        raise UsageError("no picture was named, expected at least one", "name pictures or a query, or take --all")
    settings = load_settings(vars(arguments))
    named = read_named(arguments.words)
    needed = with_images and not named.images
    with library_if_any(arguments, settings, needed=needed) as store, phases(arguments) as told:
        if store is None and not settings.model:
            raise UsageError("there is no library whose model could be used", "name a model with --model")
        subjects = _subjects(arguments, settings, store) if with_images else []
        texts = _texts_for(texts, len(subjects)) if with_images else texts
        told.say("loading the model")
        model = open_model(settings, None if store is None else store.model)
        if not hasattr(model, "network"):
            raise ExtraMissing("features need torch, which is not installed", "pip install 'imgsearch[torch]'")
        size = arguments.batch_size or model.profile.batch_size
        longest = max(map(model.count_tokens, texts), default=0) if arguments.mode == "text" else 0
        lost: dict[str, str] = {}
        count = 0
        total = len(subjects) if with_images else len(texts)
        with feature_file(arguments.out, min(longest, 512)) as file, without_chatter():
            for rows in _batches(arguments.mode, model, subjects, texts, size, lost):
                if rows:
                    file.append(rows)
                count += len(rows)
                told("computing features", count + len(lost), total)
    _report(arguments, count, lost)
    return 3 if lost else 0


def _texts(arguments: argparse.Namespace) -> list[str]:
    texts = list(arguments.text or [])
    if arguments.texts is not None:
        texts += listed_texts(arguments.texts)
    if arguments.mode == "image" and texts:
        raise UsageError("received texts and --mode image, which reads none", "take --mode multimodal")
    if arguments.mode != "image" and not texts:
        raise UsageError(f"no text was given for --mode {arguments.mode}", '--text "a red boat", or --texts FILE')
    if arguments.mode == "text" and (arguments.words or arguments.all):
        raise UsageError("received pictures and --mode text, which reads none", "take --mode multimodal")
    return texts


def _texts_for(texts: list[str], count: int) -> list[str]:
    """One text an image; a single text is used for all."""
    if len(texts) not in (0, 1, count):
        raise UsageError(f"{len(texts):,} texts were given for {count:,} pictures", "give one, or one for each picture")
    return texts * count if len(texts) == 1 else texts


def _subjects(arguments: argparse.Namespace, settings: Settings, store: Store | None) -> list[Subject]:
    from imgsearch.captions.subjects import library_subjects

    named = read_named(arguments.words)
    if named.images:
        return subjects_of(named, store)
    assert store is not None
    if named.query:
        ids = found_ids(named.query, settings, store, arguments.top)
    else:
        ids = [int(number) for number in store.view().image_ids]
    return list(library_subjects(store, ids))


def _batches(
    mode: str, model: Any, subjects: Sequence[Subject], texts: Sequence[str], size: int, lost: dict[str, str]
) -> Iterator[list[FeatureRow]]:
    """Rows in order, batch by batch. Images that cannot be read are added to ``lost``."""
    if mode == "text":
        yield from _of_texts(model, texts, size)
        return
    import numpy as np

    from imgsearch.captions.subjects import decode_subjects
    from imgsearch.model.runtimes.torch.extract import extract_images, extract_pairs

    pairs = iter(zip(subjects, texts or [""] * len(subjects), strict=True))
    while part := list(islice(pairs, size)):
        good = []
        for pair, one in zip(part, decode_subjects([subject for subject, _ in part], model.image_size), strict=True):
            if isinstance(one, MediaError):
                lost[str(pair[0].path)] = one.message
            else:
                good.append((*pair, one.pixels))
        if not good:
            yield []
            continue
        pixels = np.stack([each[2] for each in good])
        found = extract_images(model, pixels) if mode == "image" else extract_pairs(model, pixels, [g[1] for g in good])
        yield [
            FeatureRow(one.embeds, one.projected, subject.image_id, subject.path, text or None)
            for (subject, text, _), one in zip(good, found, strict=True)
        ]


def _of_texts(model: Any, texts: Sequence[str], size: int) -> Iterator[list[FeatureRow]]:
    from imgsearch.model.runtimes.torch.extract import extract_texts

    for first in range(0, len(texts), size):
        part = texts[first : first + size]
        rows = zip(part, extract_texts(model, part), strict=True)
        yield [FeatureRow(one.embeds, one.projected, text=text) for text, one in rows]


def _report(arguments: argparse.Namespace, count: int, lost: dict[str, str]) -> None:
    if arguments.json:
        about = {"rows": count, "out": str(arguments.out), "mode": arguments.mode, "unreadable": lost}
        print(json.dumps(about, indent=2))
        return
    print(f"{counted(count, 'row')} in {shown(arguments.out)}")
    for path, reason in list(lost.items())[:10]:
        print(f"imgsearch: {shown(path)} cannot be read: {shown(reason)}", file=sys.stderr)


FEATURES = Command("write the Q-Former's features of pictures and texts", _configure, _run, words=True)
