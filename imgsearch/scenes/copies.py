"""Altered copies of any images, with a record of the source of each."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from imgsearch.errors import StorageFull, UsageError
from imgsearch.scenes.alterations import Alteration, alterations

TRUTH = "truth.jsonl"
_ORIENTATION = 0x0112
_NO_PROFILE = (".bmp", ".gif")


@dataclass(frozen=True, slots=True)
class CopyTruth:
    """One written file. ``source`` is the file that it shows (its own name for an original), both below the folder;
    two files of one source are copies of each other, no others are."""

    path: str
    source: str
    family: str  # "original", "resize" ..., or the family of a look-alike
    strength: str = ""
    tier: str = ""  # to its source: "bytes", "pixels", "perceptual", "near"; "" for an original or a look-alike


def write_copies(
    pictures: Sequence[Path], folder: Path, seed: int, *, chosen: Iterable[Alteration] | None = None, each: int = 0
) -> list[CopyTruth]:
    """Write every image and altered copies of it into ``folder``, and the truth into its `TRUTH`, last.

    ``pictures`` are files that Pillow reads; ``each`` copies an image are drawn at random from ``chosen`` (all
    alterations by default), 0 for every one. The same arguments write the same files. Raises UsageError if
    ``folder`` is not empty or an image cannot be read, StorageFull if the folder cannot be written."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not an empty folder", "name a new folder")
    ways = tuple(alterations() if chosen is None else chosen)
    truth: list[CopyTruth] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(pictures):
            rng = random.Random(f"copies:{seed}:{number}")
            taken = rng.sample(ways, min(each, len(ways))) if each else ways
            truth += _write_family(picture, folder, f"{number:05d}", taken, rng)
        write_truth(truth, folder)
    except OSError as exc:
        raise StorageFull(f"{folder} cannot be written: {exc}", "choose another folder or free space") from exc
    return truth


def write_truth(truth: Iterable[CopyTruth], folder: Path) -> Path:
    """Writes the truth as JSON lines to ``folder``/`TRUTH`."""
    path = folder / TRUTH
    path.write_text("".join(json.dumps(asdict(row)) + "\n" for row in truth), encoding="utf-8")
    return path


def read_truth(folder: Path) -> list[CopyTruth]:
    """Reads the result of `write_truth`."""
    lines = (folder / TRUTH).read_text(encoding="utf-8").splitlines()
    return [CopyTruth(**json.loads(line)) for line in lines]


def altered_bytes(
    image: Image.Image, alteration: Alteration, rng: random.Random, profile: bytes | None = None
) -> bytes:
    """The file of an upright RGB image after ``alteration``, with its colour profile if the format supports one."""
    changed = alteration.change(image, rng)
    options: dict[str, Any] = dict(alteration.options)
    orientation = options.pop("orientation", None)
    if orientation:
        exif = Image.Exif()
        exif[_ORIENTATION] = orientation
        options["exif"] = exif
    if profile and changed.mode in ("RGB", "RGBA") and alteration.suffix not in _NO_PROFILE:
        options["icc_profile"] = profile
    stream = io.BytesIO()
    changed.save(stream, Image.registered_extensions()[alteration.suffix], **options)
    return stream.getvalue()


def with_other_metadata(jpeg: bytes, rng: random.Random) -> bytes:
    """A JPEG file with other metadata and the very same pixels: a comment of its own after the first marker; all
    application segments (EXIF, XMP, Adobe's) stay as they are."""
    note = f"passed on {rng.getrandbits(64):016x}".encode()
    return jpeg[:2] + b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note + jpeg[2:]


def _write_family(
    picture: Path, folder: Path, name: str, ways: Sequence[Alteration], rng: random.Random
) -> list[CopyTruth]:
    try:
        data = picture.read_bytes()
        with Image.open(io.BytesIO(data)) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGB")
            profile = opened.info.get("icc_profile") if opened.mode == "RGB" else None
            is_jpeg = opened.format == "JPEG"
    except OSError as exc:
        raise UsageError(f"{picture} cannot be read as a picture: {exc}", "name pictures only") from exc
    original = f"{name}-original{picture.suffix.lower()}"
    files = [
        (original, "original", "", "", data),
        (f"{name}-bytes{picture.suffix.lower()}", "bytes", "", "bytes", data),
    ]
    if is_jpeg:
        files.append((f"{name}-metadata.jpg", "metadata", "comment", "pixels", with_other_metadata(data, rng)))
    for way in ways:
        seeded = random.Random(f"{rng.getrandbits(32)}:{way.name}")
        file = f"{name}-{way.name}{way.suffix}"
        content = altered_bytes(image, way, seeded, profile)
        lost = profile is not None and way.suffix in _NO_PROFILE
        tier = "perceptual" if lost and way.tier == "pixels" else way.tier
        files.append((file, way.family, way.strength, tier, content))
    for file, *_, content in files:
        (folder / file).write_bytes(content)
    return [CopyTruth(file, original, family, strength, tier) for file, family, strength, tier, _ in files]
