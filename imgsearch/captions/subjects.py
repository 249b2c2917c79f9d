"""Images to write about, from a library or elsewhere, read as a generator and a matching head need them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.generation.checked import CaptionMatcher
from imgsearch.media.decoded import DecodedImage
from imgsearch.media.facts.beside import told_orientation
from imgsearch.model.arrays import as_numpy
from imgsearch.records import Float32, UInt8
from imgsearch.search.features.images import decode_all
from imgsearch.search.features.stored import ImageSource
from imgsearch.storage import FeatureStore, QuantisedFeatures, Store
from imgsearch.storage.reads.placed_images import placed_images


@dataclass(frozen=True, slots=True)
class Subject:
    """An image to write about: its files, the best first. One of the library has an id and the content that was
    indexed. For one from elsewhere both are None, and sidecars beside the file may give its orientation."""

    paths: tuple[Path, ...]
    image_id: int | None = None
    content_hash: str | None = None
    told: int = 0

    @property
    def path(self) -> Path:
        return self.paths[0]


@dataclass(frozen=True, slots=True)
class ReadSubject:
    """A subject that could be read. ``image`` is upright, in sRGB, as large as the generator needs; ``features`` are
    float32 [N, W] if there is a matching head."""

    subject: Subject
    image: Image.Image
    content_hash: str
    features: Float32 | None = None


@dataclass(frozen=True, slots=True)
class MatchingSide:
    """A retrieval model and, if there is one, the store of its features."""

    model: CaptionMatcher
    kept: FeatureStore | None = None


class Sized(Protocol):
    """Anything with an image size in pixels a side."""

    @property
    def image_size(self) -> int: ...


def library_subjects(store: Store, image_ids: Sequence[int]) -> Iterator[Subject]:
    """The images of ``image_ids`` that have a file, in order."""
    for record, paths in placed_images(store, image_ids):
        yield Subject(tuple(paths), record.image_id, record.facts.content_hash, record.facts.told_orientation)


def file_subject(path: Path) -> Subject:
    """A file that need not be in the library."""
    return Subject((path,), told=told_orientation(path))


def read_subjects(
    subjects: Sequence[Subject], generator: Sized, matching: MatchingSide | None
) -> list[ReadSubject | MediaError]:
    """Each subject decoded, or why it cannot be. A file of the library that has changed since it was indexed does not
    count; the next file of the same content is tried."""
    size = generator.image_size
    decoded = decode_subjects(subjects, size)
    fits = [not isinstance(one, MediaError) for one in decoded]
    features: dict[int, Float32] = {}
    if matching is not None:
        readable = [place for place, fit in enumerate(fits) if fit]
        features = _features(subjects, decoded, readable, matching, size)
    found: list[ReadSubject | MediaError] = []
    for place, (subject, one) in enumerate(zip(subjects, decoded, strict=True)):
        if isinstance(one, MediaError):
            found.append(one)
        else:
            image = Image.fromarray(one.pixels)
            found.append(ReadSubject(subject, image, one.facts.content_hash, features.get(place)))
    return found


def decode_subjects(subjects: Sequence[Subject], size: int) -> list[DecodedImage | MediaError]:
    """Each subject decoded for a model of ``size`` pixels a side, from the first of its files that still has its
    content."""
    found: list[Any] = [MediaError("the file is gone", stage="read")] * len(subjects)
    waiting = list(range(len(subjects)))
    attempt = 0
    while waiting:
        paths = [subjects[place].paths[attempt] for place in waiting]
        outcomes = decode_all(paths, size, [subjects[place].told for place in waiting])
        for place, path, outcome in zip(waiting, paths, outcomes, strict=True):
            wanted = subjects[place].content_hash
            if isinstance(outcome, DecodedImage) and wanted not in (None, outcome.facts.content_hash):
                outcome = MediaError(f"{path.name} has changed since it was indexed", stage="read")
            found[place] = outcome
        attempt += 1
        waiting = [
            place for place in waiting if isinstance(found[place], MediaError) and attempt < len(subjects[place].paths)
        ]
    return found


def _features(
    subjects: Sequence[Subject],
    decoded: Sequence[DecodedImage | MediaError],
    readable: Sequence[int],
    matching: MatchingSide,
    size: int,
) -> dict[int, Float32]:
    """The matching head's features by position: kept ones, otherwise encoded, from the same pixels if the sizes are
    equal."""
    model, kept = matching.model, matching.kept
    found: dict[int, Float32] = {}
    keys = {place: _key(subjects[place], decoded[place]) for place in readable}
    for place in readable:
        quantised = kept.get(keys[place]) if kept is not None else None
        if quantised is not None:
            found[place] = quantised.restored()
    missing = [place for place in readable if place not in found]
    again = decoded if model.image_size == size else _again(subjects, missing, model.image_size, len(decoded))
    pixels = {place: one.pixels for place in missing if isinstance(one := again[place], DecodedImage)}
    for place, quantised in _encoded(model, pixels):
        found[place] = quantised.restored()
        if kept is not None and subjects[place].image_id is not None:
            kept.put(keys[place], quantised)
    return found


def _again(subjects: Sequence[Subject], places: Sequence[int], size: int, count: int) -> list[Any]:
    found: list[Any] = [None] * count
    for place, one in zip(places, decode_subjects([subjects[place] for place in places], size), strict=True):
        found[place] = one
    return found


def _encoded(model: CaptionMatcher, pixels: dict[int, UInt8]) -> Iterator[tuple[int, QuantisedFeatures]]:
    places = sorted(pixels)
    step = model.profile.feature_step  # 1 on a CPU, so that other images in a batch change nothing
    for first in range(0, len(places), step):
        part = places[first : first + step]
        batch = model.preprocess_arrays(np.stack([pixels[place] for place in part]))
        for place, features in zip(part, as_numpy(model.encode_images(batch)), strict=True):
            yield place, QuantisedFeatures.of(features)


def _key(subject: Subject, decoded: DecodedImage | MediaError) -> str:
    assert isinstance(decoded, DecodedImage)
    return ImageSource(subject.paths, decoded.facts.content_hash, subject.told).key
