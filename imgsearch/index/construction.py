"""Builds the first stage of a snapshot: representative tokens of every image in an inverted file with product
quantisation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from imgsearch.errors import LibraryUnsupported
from imgsearch.index.contract import VectorRows
from imgsearch.index.representatives import representative_tokens
from imgsearch.progress import StepProgress
from imgsearch.records import Float32, Int64

KIND = "ivfpq-1"
SEED = 1234
CODE_BYTES = 32
"""Bytes a row: 8 bits for each of 32 parts of a vector. With 64 bytes recall@10 rose by .002 at 100 candidates and not
at all at 400 (7,000 drawn scenes)."""

LIST_ROWS = 1000
"""Mean number of rows in an inverted list. More lists make assignment slower, fewer make searches slower."""

MAX_LISTS = 2048
"""Assigning the 8.8 million rows of a million images to this many lists takes about 2 minutes on one core, as long as
the rest of the build. `PROBES` lists then hold 270,000 rows, which a search scans in a few milliseconds."""

TRAIN_ROWS = 50
"""Rows a list that k-means is trained on (FAISS asks for 39 to 256)."""

CHUNK = 1024
"""Images processed at once: 32 MiB as float32 at 32 x 256."""


@dataclass(frozen=True, slots=True)
class Built:
    """``rows``: rows in the index. The first ``guarded_bytes`` of the file hold all sizes and centroids; codes and ids
    follow."""

    rows: int
    guarded_bytes: int


def require_faiss() -> Any:
    """The module faiss. Raises LibraryUnsupported, which names the extra that installs it."""
    try:
        import faiss
    except ImportError as exc:
        raise LibraryUnsupported(
            "a snapshot needs faiss, which is not installed", "pip install 'imgsearch[cpu]' (or 'imgsearch[gpu]')"
        ) from exc
    return faiss


def build_first_stage(
    rows: VectorRows, slots: Int64, write: Callable[[bytes], int], progress: StepProgress | None = None
) -> Built:
    """Index the images in ``slots`` (existing, ascending) and ``write`` the file piece by piece.

    The same vectors and slots give the same file on the same machine (fixed seed, fixed sample). Memory: a chunk of
    images, the training rows (at most 270 MB at D = 256), and 40 bytes a representative row: 180 MB for a million
    images of the small model, 1.3 GB if no two tokens are alike. ``progress(done, total)`` counts images. k-means uses
    a GPU if faiss has one. Raises LibraryUnsupported without faiss, ValueError for no slots, and whatever ``write``
    raises.
    """
    faiss = require_faiss()
    if not len(slots):
        raise ValueError("got no slots, expected at least one")
    index = _trained(faiss, rows, slots)
    done = 0
    for part, owners, vectors in _representatives(rows, slots):
        _add(index, vectors, owners)
        done += len(part)
        if progress is not None:
            progress(done, len(slots))
    written = _write(faiss, index, write)
    return Built(int(index.ntotal), written - int(index.ntotal) * (int(index.code_size) + 8))


def _trained(faiss: Any, rows: VectorRows, slots: Int64) -> Any:
    """An empty index with centroids trained on the library. The sample consists of whole images, chosen by a fixed
    seed."""
    rng = np.random.default_rng(SEED)
    few = rng.permutation(slots)[: min(len(slots), 256)]
    a_piece = sum(len(owners) for _, owners, _ in _representatives(rows, np.sort(few)))
    expected_rows = max(1, a_piece * len(slots) // len(few))
    lists = int(np.clip(expected_rows // LIST_ROWS, 1, MAX_LISTS))
    wanted = max(lists, 256) * TRAIN_ROWS
    images = min(len(slots), max(1, wanted * len(few) // max(1, a_piece)))
    sample = np.sort(rng.permutation(slots)[:images])
    found = [vectors for _, _, vectors in _representatives(rows, sample)]
    training = np.concatenate(found) if found else np.empty((0, rows.dims), np.float32)
    if not len(training):
        training = np.ones((1, rows.dims), np.float32)
    training = np.resize(training, (max(len(training), 256, lists), rows.dims))  # faiss refuses fewer than centroids
    most = min(CODE_BYTES, max(1, rows.dims // 4))
    code_bytes = next(size for size in range(most, 0, -1) if rows.dims % size == 0)
    quantizer = faiss.IndexFlatIP(rows.dims)
    index = faiss.IndexIVFPQ(quantizer, rows.dims, lists, code_bytes, 8, faiss.METRIC_INNER_PRODUCT)
    for parameters in (index.cp, index.pq.cp):
        parameters.seed, parameters.niter, parameters.min_points_per_centroid = SEED, 10, 1
        parameters.max_points_per_centroid = TRAIN_ROWS
    if faiss.get_num_gpus() > 0:
        index.clustering_index = faiss.index_cpu_to_all_gpus(faiss.IndexFlatIP(rows.dims))
    index.train(training)
    return index


def _add(index: Any, vectors: Float32, owners: Int64) -> None:
    if len(vectors):
        index.add_with_ids(vectors, owners)


def _representatives(rows: VectorRows, slots: Int64) -> Iterator[tuple[Int64, Int64, Float32]]:
    """(slots of the chunk, the slot of each row, rows [r, D]) of each chunk."""
    for first in range(0, len(slots), CHUNK):
        part = slots[first : first + CHUNK]
        vectors = rows.read(part)
        kept = representative_tokens(vectors)
        yield part, np.repeat(part, kept.sum(axis=1)), vectors[kept]


def _write(faiss: Any, index: Any, write: Callable[[bytes], int]) -> int:
    """Write the index through Python, so that a full disk is an OSError instead of a truncated file. Returns the number
    of bytes."""
    failures: list[BaseException] = []
    written = 0

    def take(content: bytes) -> int:
        nonlocal written
        try:
            written += write(bytes(content))
        except BaseException as error:
            failures.append(error)
            raise
        return len(content)

    writer = faiss.PyCallbackIOWriter(take, 1 << 20)
    try:
        faiss.write_index(index, writer)
    except BaseException:
        if failures:
            raise failures[0] from None
        raise
    if failures:
        raise failures[0]
    return written
