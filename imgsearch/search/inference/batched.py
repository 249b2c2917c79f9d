"""The model asked for many queries at once (`imgsearch.search.inference.direct.InferenceBackend`).

Texts that wait at the same time are embedded as one batch. Re-ranks are cut into pieces of a few candidates, which the
cores share. What the model computes of an image independently of the text is kept in memory, where the model can
separate it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from cachetools import LRUCache

from imgsearch.model.arrays import as_numpy
from imgsearch.records import Float32, UInt8
from imgsearch.search.features.stored import FeatureSource, ImageSource
from imgsearch.search.inference.batcher import Batcher
from imgsearch.search.inference.direct import features_of
from imgsearch.search.inference.held import HoldsImages, held_images
from imgsearch.search.query.parser import ParsedQuery
from imgsearch.search.rerank import Match, SearchModel, failure_sentences, match_texts, matches_from_logits
from imgsearch.storage import FeatureStore

MEMORY_BYTES = 256_000_000
"""RAM for what is kept of pictures: 640 of the small model, 27 of the real one."""

VECTORS = 4096
"""Texts whose vectors are kept, 1 kB each. A description is embedded with each of its clauses and words, and these
come again and again: 6.3 texts a query took 7.4 ms of a busy core."""

PIECE = 16
"""Candidates of one query that go to the model together on a CPU, always the same ones whatever else waits, so that an
answer does not depend on its company. As many as a query has by default: 16 of the small model take 42 ms of a busy
core at once and 50 by eight, since two threads that make twice as many calls into NumPy wait for each other twice as
often. A lone query pays for it: it is read by one core."""

AHEAD = 2
"""Pieces for each worker that wait already: as long as there are more, texts wait for company too. A piece of the small
model takes 40 ms, a batch of eight texts with their sweep 35."""

_TEXTS, _ACCELERATOR_PIECES = 8, 32
_LOCAL_PIECES = 1


@runtime_checkable
class CachesImages(Protocol):
    """A model that can keep what it computes of an image independently of the text, as `NumpyModel` in
    `imgsearch.model.runtimes.numpy.model` does."""

    def cache_images(self, features: Any) -> list[Any]:
        """Features [B, N, W] -> a memory for each, with ``size_bytes``."""
        ...

    def match_cached(self, texts: Sequence[str], memories: Sequence[Any]) -> Float32:
        """Text i with memory i -> float32 [K, 2]."""
        ...


@dataclass(frozen=True, slots=True)
class _Piece:
    """A few candidates of one query."""

    parsed: ParsedQuery
    sources: Sequence[ImageSource]
    deadline: float | None


_Reply = tuple[list[Match | None], list[str]] | None  # None: the time was up before the piece's turn came


class BatchedInference:
    """See the module. ``workers`` threads re-rank: by default one for each core, and one for a model that shares its
    work over the cores or the accelerator by itself. Close it."""

    def __init__(
        self,
        model: SearchModel,
        features: FeatureStore | None,
        *,
        workers: int = 0,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._model = model
        self._features = FeatureSource(model, features)
        self._memories = ImageCaches(memory_bytes)
        self._vectors: LRUCache[str, Float32] = LRUCache(VECTORS)
        self._lock = threading.Lock()  # of the vectors
        self._held = held_images(model, self._features)
        local = model.profile.on_cpu
        remembering = isinstance(model, CachesImages)
        count = workers or (_cores() if local and remembering else 1)
        pieces = Batcher("pieces", self._match, count, _LOCAL_PIECES if local else _ACCELERATOR_PIECES)
        self._pieces = pieces
        self._unhurried = AHEAD * count
        self._texts = Batcher("texts", self._embed, 1, _TEXTS, self.unhurried)

    def close(self) -> None:
        """End the threads once what waits is answered."""
        self._texts.close()
        self._pieces.close()

    def unhurried(self) -> bool:
        """Whether so many pieces wait that texts, which come before them, may wait to be batched."""
        return self._pieces.waiting > self._unhurried

    def embed_text(self, text: str) -> Float32:
        """[1, D]; in a batch with whatever waits."""
        return self.embed_texts([text])

    def embed_texts(self, texts: Sequence[str]) -> Float32:
        """[Q, D]; in batches with whatever waits, but for texts that were embedded lately."""
        with self._lock:
            known = {text: self._vectors.get(text) for text in texts}
        missing = [text for text, vector in known.items() if vector is None]
        made = {text: future.result() for text, future in zip(missing, self._texts.submit(missing), strict=True)}
        if made:
            with self._lock:
                self._vectors.update(made)
        return np.concatenate([vector for text in texts if (vector := made.get(text, known[text])) is not None])

    def embed_image(self, pixels: UInt8) -> Float32:
        """[T, D]; at once, in the caller's thread."""
        tokens: Float32 = as_numpy(self._model.embed_images(self._model.preprocess_arrays(pixels[None])))[0]
        return tokens

    def features(self, source: ImageSource) -> Float32:
        """[N, W]; at once, in the caller's thread. Raises MediaError."""
        return features_of(self._features, source)

    def match(
        self, parsed: ParsedQuery, sources: Sequence[ImageSource], deadline: float | None
    ) -> tuple[list[Match | None], list[str], bool]:
        """As `match_candidates` in `imgsearch.search.inference.direct`, with the pieces side by side. With a deadline
        the first piece is answered in any case."""
        step = 1 if deadline is not None and self._model.profile.one_by_one else PIECE
        parts = [sources[first : first + step] for first in range(0, len(sources), step)]
        pieces = [_Piece(parsed, part, deadline if number else None) for number, part in enumerate(parts)]
        matches: list[Match | None] = []
        reasons: list[str] = []
        replies = [future.result() for future in self._pieces.submit(pieces)]
        for reply in replies:
            if reply is None:
                return matches, failure_sentences(reasons), False
            matches += reply[0]
            reasons += reply[1]
        return matches, failure_sentences(reasons), True

    @property
    def waiting(self) -> int:
        """Pieces of re-ranks that no worker has taken yet."""
        return self._pieces.waiting

    @property
    def memory_bytes(self) -> int:
        """RAM that remembered pictures take."""
        return self._memories.size_bytes + (0 if self._held is None else self._held.size_bytes)

    def batched(self) -> dict[str, tuple[int, int]]:
        """Kind -> (batches, jobs) so far."""
        kinds: dict[str, Batcher[Any, Any]] = {"texts": self._texts, "pieces": self._pieces}
        return {name: (batcher.batches, batcher.jobs) for name, batcher in kinds.items()}

    def _embed(self, texts: Sequence[str]) -> list[Float32]:
        vectors = as_numpy(self._model.embed_texts(list(texts)))
        return [vectors[row : row + 1].copy() for row in range(len(texts))]  # which are kept, and a batch is not

    def _match(self, pieces: Sequence[_Piece]) -> list[_Reply]:
        now = time.perf_counter()
        in_time = [piece.deadline is None or now <= piece.deadline for piece in pieces]
        replies = iter(self._read([piece for piece, early in zip(pieces, in_time, strict=True) if early]))
        return [next(replies) if early else None for early in in_time]

    def _read(self, pieces: Sequence[_Piece]) -> list[_Reply]:
        everything = [source for piece in pieces for source in piece.sources]
        memories, failed = self._remembered(everything) if self._held is None else self._held.get(everything)
        texts: list[str] = []
        read: list[Any] = []
        for piece in pieces:
            known = [memories[s.key] for s in piece.sources if s.key in memories]
            for text in match_texts(piece.parsed):
                texts += [text] * len(known)
                read += known
        logits = iter(self._logits(texts, read))
        replies: list[_Reply] = []
        for piece in pieces:
            known_count = sum(source.key in memories for source in piece.sources)
            answers = [
                np.array([next(logits) for _ in range(known_count)], np.float32).reshape(known_count, 2)
                for _ in match_texts(piece.parsed)
            ]
            matches = iter(matches_from_logits(piece.parsed, answers))
            found = [next(matches) if source.key in memories else None for source in piece.sources]
            reasons = [failed[s.key] for s in piece.sources if s.key not in memories]
            replies.append((found, reasons))
        return replies

    def _logits(self, texts: list[str], memories: list[Any]) -> Float32:
        if not texts:
            return np.empty((0, 2), np.float32)
        if self._held is not None and isinstance(self._model, HoldsImages):
            return np.asarray(self._model.match_held(texts, memories), np.float32)
        if isinstance(self._model, CachesImages):
            return self._model.match_cached(texts, memories)
        both: Float32 = as_numpy(self._model.match_both(texts, np.stack([memory.features for memory in memories])))
        return both

    def _remembered(self, sources: Sequence[ImageSource]) -> tuple[dict[str, Any], dict[str, str]]:
        """The memory of each readable picture, kept or made now, and the reason for each unreadable one, by content."""
        found: dict[str, Any] = {}
        failed: dict[str, str] = {}
        for source in {source.key: source for source in sources}.values():
            memory = self._memories.get(source.key)
            if memory is None:
                (features,), reasons = self._features.features([source])
                if features is None:
                    failed[source.key] = reasons[0]
                    continue
                memory = self._memory_of(features)
                self._memories.put(source.key, memory)
            found[source.key] = memory
        return found, failed

    def _memory_of(self, features: Float32) -> Any:
        if isinstance(self._model, CachesImages):
            return self._model.cache_images(features[None])[0]
        return _PlainMemory(features)


@dataclass(frozen=True, slots=True)
class _PlainMemory:
    """Of a model that cannot tell: the features [N, W] themselves."""

    features: Float32

    @property
    def size_bytes(self) -> int:
        return int(self.features.nbytes)


class ImageCaches:
    """Memories by content hash, the least recently used out when they pass ``budget_bytes``. Safe between threads."""

    def __init__(self, budget_bytes: int) -> None:
        self._kept: LRUCache[str, Any] = LRUCache(budget_bytes, getsizeof=lambda memory: memory.size_bytes)
        self._lock = threading.Lock()

    @property
    def size_bytes(self) -> int:
        """RAM that they take."""
        return int(self._kept.currsize)

    def get(self, content_hash: str) -> Any:
        """What is kept, now the most recently used; None for nothing."""
        with self._lock:
            return self._kept.get(content_hash)

    def put(self, content_hash: str, memory: Any) -> None:
        """Keep ``memory``, unless it is larger than all that may be kept."""
        if memory.size_bytes <= self._kept.maxsize:
            with self._lock:
                self._kept[content_hash] = memory


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
