"""Measures how well a library is searched, from its own images, without captions.

It asks two questions. Does the model recognise an image? Images of the library are altered the way copies are, and
looked for by likeness, as `similar:` does. Does the snapshot lose anything? Its answers are compared with brute force,
for texts and for tokens of images."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from imgsearch.errors import MediaError, UsageError
from imgsearch.evaluation.alteration import altered_pixels
from imgsearch.evaluation.probes import probe_texts
from imgsearch.index import CandidateIndex, ExactIndex, SnapshotIndex, open_index
from imgsearch.index.contract import Allowed
from imgsearch.media.source import ContentChanged
from imgsearch.model.arrays import as_numpy
from imgsearch.model.contract import Embedder
from imgsearch.records import Float32, Int64, UInt8
from imgsearch.search.features.images import DECODE_THREADS
from imgsearch.search.features.stored import ImageSource
from imgsearch.search.query.parser import ParsedQuery
from imgsearch.search.request import RetrievalRequest
from imgsearch.search.retrieval import CandidateFinder
from imgsearch.storage import Store, View, latest_snapshot

SAMPLE = 200
"""Images, and texts: with so many, a share of .95 is known to within .03 (two standard errors, binomial)."""

DEPTH = 5
"""The first places of an answer, among which an altered image counts as found."""

SAME = 0.003
"""Tokens that differ by no more in any number are of equal pictures: twice the rounding of int8 storage, the coarsest
there is (storage/segments.py). Of 400 drawn scenes the two nearest differ by 0.086."""

EXACT = "exact"
"""The kind of index that compares every image."""

QUERIES_AT_ONCE = 64
"""Queries that share one sweep of the vectors: few enough for the progress to move, many enough to compute most of
the time, and not read."""

TIMED_QUERIES = 20


@dataclass(frozen=True, slots=True)
class Miss:
    """A picture whose altered copy did not lead to it: where it is, what came first and where it came itself (2 is the
    second; None: not among the first `DEPTH`)."""

    path: Path
    first: Path | None
    place: int | None


@dataclass(frozen=True, slots=True)
class SelfRetrieval:
    """``r1``, ``r5``: the share of ``images`` that came first, or among the first 5; None where there are none.
    ``reasons``: why ``left_out`` pictures could not be read, one each."""

    images: int
    left_out: int
    r1: float | None
    r5: float | None
    missed: tuple[Miss, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexRecall:
    """``kind``: the snapshot's, or `EXACT` where searches compare every picture: then nothing was asked (``queries``
    is 0), both recalls are 1 by definition and ``note`` says why. ``snapshot_ms``, ``exact_ms``: median time of one
    query for 10 pictures, without embedding it."""

    kind: str
    queries: int
    recall_at_10: float
    recall_at_100: float
    exact_ms: float
    snapshot_ms: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class SelfEvaluation:
    """Both answers, and how many pictures the library holds."""

    library_pictures: int
    retrieval: SelfRetrieval
    index: IndexRecall


def evaluate_self(
    store: Store,
    model: Embedder,
    *,
    sample: int = SAMPLE,
    seed: int = 0,
    batch_size: int = 0,
    progress: bool = False,
) -> SelfEvaluation:
    """Ask a library about itself. The same ``sample`` and ``seed`` take the same pictures of the same library.

    ``sample``: pictures to look for (all, if the library has fewer); where there is a snapshot, also how many texts
    and how many tokens of pictures it is asked. ``batch_size``: pictures embedded at once, 0 chooses by device. Raises
    UsageError for a sample below 1 and for a library without pictures. Cost: ``sample`` pictures embedded, and as many
    searches; with a snapshot twice as many products with every token of the library."""
    if sample < 1:
        raise UsageError(f"the sample is {sample} pictures, expected 1 or more", f"{SAMPLE} unless given")
    view = store.view()
    if not view.count:
        raise UsageError(f"the library {store.path} holds no picture", "add some with `imgsearch index FOLDER`")
    rng = random.Random(f"self:{seed}")
    chosen = np.sort(np.array(rng.sample(range(view.count), min(sample, view.count)), np.int64))
    retrieval = retrieve_altered(store, model, view, view.image_ids[chosen], batch_size=batch_size, progress=progress)
    tokens = view.read(view.live_slots[chosen])  # [n, T, D]
    one_each = tokens[np.arange(len(chosen)), [rng.randrange(view.query_tokens) for _ in chosen]]
    texts = as_numpy(model.embed_texts(probe_texts(store.model.name, sample, seed)))
    queries = np.concatenate([texts, one_each]).astype(np.float32)
    return SelfEvaluation(view.count, retrieval, _index_recall(store, view, queries, progress))


def retrieve_altered(
    store: Store, model: Embedder, view: View, image_ids: Int64, *, batch_size: int = 0, progress: bool = False
) -> SelfRetrieval:
    """Look for the pictures ``image_ids`` by altered copies of themselves (media/alteration.py).

    Found is a picture if it has the place, or one with equal vectors has. A picture without a file that holds what was
    indexed is left out."""
    finder, wanted = CandidateFinder(store), image_ids.tolist()
    paths, records = store.all_paths(wanted), store.images(wanted)
    sources = [
        ImageSource.of(paths.get(one, []), records[one].facts) if one in records else ImageSource([], "")
        for one in wanted
    ]
    places: list[int | None] = []
    missed: list[Miss] = []
    reasons: list[str] = []
    copies = _tokens_of_copies(model, sources, batch_size)
    bar = tqdm(copies, desc="looking for pictures", total=len(wanted), unit="img", disable=not progress)
    for image_id, source, tokens in zip(wanted, sources, bar, strict=True):
        if isinstance(tokens, MediaError):
            reasons.append(tokens.message)
            continue
        found = finder.find(RetrievalRequest(ParsedQuery(""), image=tokens), DEPTH).candidates
        place = _place(view, image_id, [candidate.image_id for candidate in found])
        places.append(place)
        if place != 1:
            missed.append(Miss(source.paths[0], found[0].source.paths[0] if found else None, place))
    finder.forget()
    return SelfRetrieval(
        len(places), len(reasons), _share_within(places, 1), _share_within(places, DEPTH), tuple(missed), tuple(reasons)
    )


def recalls(
    index: CandidateIndex,
    exact: CandidateIndex,
    queries: Float32,
    allowed: Allowed | None,
    depths: Sequence[int],
    *,
    progress: bool = False,
) -> list[float]:
    """For each of ``depths`` k: the share of the ``exact`` index's k best that are among the k best of ``index``, over
    all ``queries`` [Q, D], which are 1 or more. Where fewer than k pictures are allowed, of as many as there are."""
    hits, due = np.zeros(len(depths)), np.zeros(len(depths))
    with tqdm(total=len(queries), desc="asking the snapshot", unit="query", disable=not progress) as bar:
        for first in range(0, len(queries), QUERIES_AT_ONCE):
            part = queries[first : first + QUERIES_AT_ONCE]
            truth = exact.search(part, max(depths), allowed).slots
            found = index.search(part, max(depths), allowed).slots
            for true_row, found_row in zip(truth, found, strict=True):
                for column, k in enumerate(depths):
                    best = true_row[:k][true_row[:k] >= 0]
                    hits[column] += np.isin(best, found_row[:k]).sum()
                    due[column] += len(best)
            bar.update(len(part))
    return [float(one) for one in hits / due]


def _index_recall(store: Store, view: View, queries: Float32, progress: bool) -> IndexRecall:
    snapshot = latest_snapshot(store)
    index, trouble = open_index(view, snapshot)
    exact, allowed = ExactIndex(view, view.tie_keys()), view.live_mask()
    exact_ms = _median_ms(exact, queries, allowed)
    if snapshot is None or not isinstance(index, SnapshotIndex):
        return IndexRecall(EXACT, 0, 1.0, 1.0, exact_ms, note=trouble or "no snapshot")
    if view.count <= index.exact_limit:
        note = f"the snapshot is asked from {index.exact_limit + 1:,} pictures on"
        return IndexRecall(EXACT, 0, 1.0, 1.0, exact_ms, note=note)
    at_10, at_100 = recalls(index, exact, queries, allowed, (10, 100), progress=progress)
    snapshot_ms = _median_ms(index, queries, allowed)
    return IndexRecall(snapshot.kind, len(queries), at_10, at_100, exact_ms, snapshot_ms)


def _tokens_of_copies(
    model: Embedder, sources: Sequence[ImageSource], batch_size: int
) -> Iterator[Float32 | MediaError]:
    """Tokens [T, D] of the altered copy of each source, in order; for one that cannot be read, why."""
    step = batch_size or model.profile.batch_size
    with ThreadPoolExecutor(DECODE_THREADS, thread_name_prefix="decode") as pool:
        for first in range(0, len(sources), step):
            outcomes = list(pool.map(lambda source: _altered(source, model.image_size), sources[first : first + step]))
            pixels = [outcome for outcome in outcomes if not isinstance(outcome, MediaError)]
            if pixels:
                tokens = iter(as_numpy(model.embed_images(model.preprocess_arrays(np.stack(pixels)))))
            for outcome in outcomes:
                yield outcome if isinstance(outcome, MediaError) else next(tokens)


def _altered(source: ImageSource, size: int) -> UInt8 | MediaError:
    """From the first of the picture's files that still holds it; else the reason that the last one gave."""
    reason = MediaError("the file is gone", stage="read")
    for path in source.paths:
        try:
            return altered_pixels(path, size, source.content_hash, source.told)
        except ContentChanged:  # in words that are the same for each file, to be counted
            reason = MediaError("the file has changed since it was indexed", stage="read")
        except MediaError as error:
            reason = error
    return reason


def _place(view: View, image_id: int, found: Sequence[int]) -> int | None:
    """The first place, from 1, that the picture or one with equal vectors has among ``found``."""
    (own,) = view.read(view.slots_of_images(np.array([image_id], np.int64)))
    for place, other in enumerate(found, start=1):
        slots = view.slots_of_images(np.array([other], np.int64))  # none where it came after the view was taken
        if other == image_id or (len(slots) and float(np.abs(view.read(slots)[0] - own).max()) <= SAME):
            return place
    return None


def _share_within(places: Sequence[int | None], k: int) -> float | None:
    return sum(place is not None and place <= k for place in places) / len(places) if places else None


def _median_ms(index: CandidateIndex, queries: Float32, allowed: Allowed) -> float:
    """Median milliseconds of one query for 10 pictures, the first of all, which maps the files, not counted."""
    took = []
    for query in queries[: TIMED_QUERIES + 1]:
        started = time.perf_counter()
        index.search(query[None], 10, allowed)
        took.append(1000 * (time.perf_counter() - started))
    return float(np.median(took[1:] or took))
