"""Builds the first stage of a snapshot: representative tokens of every image in an inverted file of product-quantised
rows."""

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
"""Bytes a row: 8 bits for each of 32 parts of a vector. 64 bytes raised recall@10 by .002 at 100 candidates and by
nothing at 400 (7,000 drawn scenes)."""

LIST_ROWS = 1000
"""Rows of one inverted list, on average: the more lists, the longer the assignment, the fewer, the longer a search."""

MAX_LISTS = 2048
"""Assigning a million images' 8.8 million rows to these takes about 2 minutes on one core, as long as all the rest of a
build; `PROBES` lists then hold 270,000 rows, which a search scans in a few milliseconds."""

TRAIN_ROWS = 50
"""Rows a list that k-means sees (FAISS asks for 39 to 256)."""

CHUNK = 1024
"""Images at once: 32 MiB as float32 at 32 x 256."""


@dataclass(frozen=True, slots=True)
class Built:
    """``rows`` in the index; of the written bytes the first ``guarded_bytes`` hold all sizes and centroids, behind them
    come codes and ids."""

    rows: int
    guarded_bytes: int


def require_faiss() -> Any:
    """The module. Raises LibraryUnsupported, saying which extra brings it."""
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
    """Index the images in ``slots`` (they exist, ascending) and ``write`` the file, piece by piece.

    The same vectors and slots give the same file on the same machine (fixed seed, fixed sample). Memory: a chunk of
    images, the training rows (at most 270 MB at D = 256), and 40 bytes for each representative row, 180 MB a million
    images of the small model, 1.3 GB if no two tokens are alike. ``progress(done, total)`` counts images. A GPU, where
    faiss has one, does the k-means. Raises LibraryUnsupported without faiss, what ``write`` raises,
    ValueError for no slots."""
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
    """An empty index whose centroids know the library. The sample is of whole images, spread by a fixed seed."""
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
    """(slots of the chunk, the slot of each row, rows [r, D]), chunk by chunk."""
    for first in range(0, len(slots), CHUNK):
        part = slots[first : first + CHUNK]
        vectors = rows.read(part)
        kept = representative_tokens(vectors)
        yield part, np.repeat(part, kept.sum(axis=1)), vectors[kept]


def _write(faiss: Any, index: Any, write: Callable[[bytes], int]) -> int:
    """Through Python, so that a full disk is an OSError and not a file that lacks its end. Returns the bytes."""
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
