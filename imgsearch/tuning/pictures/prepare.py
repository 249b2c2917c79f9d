"""A run's pictures: read once, compared with each other, split, and kept at the model's size beside the run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from imgsearch.errors import MediaError, StorageFull, UsageError
from imgsearch.files import drafted, write_whole
from imgsearch.media.preprocess import resize_to_model
from imgsearch.progress import Progress
from imgsearch.records import Int64, UInt8
from imgsearch.scenes.dataset import make_set
from imgsearch.scenes.draw import draw_scene
from imgsearch.search.features.images import decode_all
from imgsearch.tuning.pairs import BadRow, Pairs, TuningPair
from imgsearch.tuning.pictures.copies import PictureGroups, find_groups
from imgsearch.tuning.pictures.source import Pictures
from imgsearch.tuning.pictures.split import require_enough, split_groups

GENERAL_TEST, GENERAL_REHEARSAL, GENERAL_CHECK = 200, 1500, 200
"""General pictures to measure by, to rehearse with, and to choose by how far the weights move. Of 200 with two captions
each, R@1 both ways moves by a point or two by chance."""

_TEST_SEED, _REHEARSAL_SEED, _CHECK_SEED = 7001, 7002, 7003
"""Of the drawn scenes; no other set here has these."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """``pictures``: the person's own, then the general ones. Places among them, int64: ``train``, ``withheld``,
    ``rehearsal``, ``general``; ``checks`` and ``general_checks`` are those by which a run is steered, and never those
    that it is judged by. ``paths``: "" for a drawn one; ``sizes`` int64 [I, 2]: width and height as a person sees
    them. ``bad``: rows that are left out, those of pictures that cannot be read among them. ``leaks``: withheld
    pictures with a copy among those that are trained on, which is 0."""

    pictures: Pictures
    paths: tuple[str, ...]
    sizes: Int64
    train: Int64
    withheld: Int64
    rehearsal: Int64
    general: Int64
    checks: Int64
    general_checks: Int64
    bad: tuple[BadRow, ...]
    leaks: int
    general_name: str


def prepare(
    pairs: Pairs, general: Pairs | None, folder: Path, image_size: int, seed: int, progress: Progress
) -> Prepared:
    """Read all pictures and split them. ``general``: what must stay known; None for drawn scenes. ``folder`` keeps what
    was read, so that the same run is quick to take up. Raises UsageError for too few different pictures, StorageFull,
    and what an index run raises."""
    require_enough(len(pairs.good), len(pairs.bad))
    chosen = [*pairs.good, *(general.good if general else ())]
    found = find_groups([pair.image for pair in chosen], folder, progress)
    groups = found.groups()
    own = np.arange(len(chosen)) < len(pairs.good)
    train, checks, withheld = split_groups(np.where(own, groups, -1), seed)
    rest = np.flatnonzero(~own & (groups >= 0) & ~np.isin(groups, groups[own & (groups >= 0)]))
    drawn = [] if general else _drawn()
    texts = [pair.captions for pair in chosen] + [captions for _, captions in drawn]
    test, general_checks, rehearsal = _split_general(rest, groups, len(chosen), len(drawn), seed)
    table, sizes, unread = _pixels(chosen, groups, drawn, folder, image_size, progress)
    progress.close()
    keep = np.array([place not in unread for place in range(len(texts))])
    bad = [*pairs.bad, *_unread(chosen, {**unread, **found.reasons}, len(pairs.good))]
    whole = np.concatenate([groups, groups.max(initial=0) + 1 + np.arange(len(drawn))])
    train, withheld, rehearsal, test = (part[keep[part]] for part in (train, withheld, rehearsal, test))
    checks, general_checks = checks[keep[checks]], general_checks[keep[general_checks]]
    return Prepared(
        Pictures(table, texts, whole),
        tuple([str(pair.image) for pair in chosen] + [""] * len(drawn)),
        sizes,
        train,
        withheld,
        rehearsal,
        test,
        checks,
        general_checks,
        tuple(bad),
        _leaks(found, np.concatenate([train, checks]), withheld),
        "the pairs of --general" if general else "drawn scenes",
    )


def pairs_digest(pairs: Sequence[TuningPair]) -> str:
    """A number for exactly these pictures' paths and captions."""
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(json.dumps([str(pair.image), *pair.captions]).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _leaks(found: PictureGroups, train: Int64, withheld: Int64) -> int:
    leaks = found.leaks(train, withheld)
    if leaks:
        raise AssertionError(f"{leaks} withheld pictures have a copy among those to learn from")
    return leaks


def _split_general(rest: Int64, groups: Int64, start: int, drawn: int, seed: int) -> tuple[Int64, Int64, Int64]:
    """Places to measure by, to choose by, and to rehearse with: of drawn scenes by their order, else whole groups of
    copies."""
    if drawn:
        places = start + np.arange(drawn)
        first, second = GENERAL_TEST, GENERAL_TEST + GENERAL_CHECK
        return places[:first], places[first:second], places[second:]
    known = np.unique(groups[rest])
    if len(known) < 20:
        raise UsageError(
            f"--general has {len(known)} different pictures beside those of PAIRS, expected 20 or more",
            "leave it out to measure by drawn scenes",
        )
    order = np.random.default_rng((seed, 1)).permutation(known)
    first = min(GENERAL_TEST, len(known) // 2)
    second = first + min(GENERAL_CHECK, len(known) // 4)
    test, checks = (np.isin(groups[rest], part) for part in (order[:first], order[first:second]))
    return rest[test], rest[checks], rest[~test & ~checks][: 10 * GENERAL_REHEARSAL]


def _drawn() -> list[tuple[Image.Image, tuple[str, ...]]]:
    counts = (GENERAL_TEST, _TEST_SEED), (GENERAL_CHECK, _CHECK_SEED), (GENERAL_REHEARSAL, _REHEARSAL_SEED)
    rows = [row for count, seed in counts for row in make_set(count, seed)]
    return [(draw_scene(row.scene)[0], row.captions) for row in rows]


def _pixels(
    pairs: Sequence[TuningPair],
    groups: Int64,
    drawn: Sequence[tuple[Image.Image, tuple[str, ...]]],
    folder: Path,
    side: int,
    progress: Progress,
) -> tuple[UInt8, Int64, dict[int, str]]:
    """uint8 [I, S, S, 3], mapped from a file; sizes [I, 2]; and why pictures could not be read, by place."""
    path, about = folder / "pixels.npy", folder / "pixels.json"
    count = len(pairs) + len(drawn)
    if path.exists() and about.exists():
        kept = json.loads(about.read_text(encoding="utf-8"))
        unread = {int(place): reason for place, reason in kept["unread"].items()}
        return np.load(path, mmap_mode="r"), np.array(kept["sizes"], np.int64), unread
    sizes = np.ones((count, 2), np.int64)
    unread = {}
    try:
        with drafted(path) as draft:
            table = np.lib.format.open_memmap(draft, "w+", np.uint8, (count, side, side, 3))
            for place, pixels, size, reason in _decoded(pairs, groups, drawn, side):
                if reason:
                    unread[place] = reason
                    continue
                table[place], sizes[place] = pixels, size
                progress("decoding", place + 1, count)
            table.flush()
        write_whole(about, json.dumps({"sizes": sizes.tolist(), "unread": unread}).encode())
    except OSError as exc:
        raise StorageFull(f"{path} cannot be written: {exc.strerror}", "free space, or name another --output") from exc
    return np.load(path, mmap_mode="r"), sizes, unread


def _decoded(
    pairs: Sequence[TuningPair], groups: Int64, drawn: Sequence[tuple[Image.Image, tuple[str, ...]]], side: int
) -> Iterator[tuple[int, UInt8, tuple[int, int], str]]:
    """(place, pixels, size, why not) of each picture that was read when the copies were looked for."""
    there = np.flatnonzero(groups >= 0).tolist()
    outcomes = decode_all([pairs[place].image for place in there], side)
    for place, outcome in zip(there, outcomes, strict=True):
        if isinstance(outcome, MediaError):
            yield place, np.empty(0, np.uint8), (1, 1), outcome.message
        else:
            yield place, outcome.pixels, (outcome.facts.width, outcome.facts.height), ""
    for number, (picture, _) in enumerate(drawn):
        yield len(pairs) + number, resize_to_model(picture, side), picture.size, ""


def _unread(chosen: Sequence[TuningPair], reasons: dict[int, str], own: int) -> Iterator[BadRow]:
    for place, reason in sorted(reasons.items()):
        if place < own:
            origin, _, line = chosen[place].origin.rpartition(", line ")
            row = int(line) if origin and line.isdecimal() else 0
            yield BadRow(origin or chosen[place].origin, row, f"{chosen[place].image}: {reason}")
