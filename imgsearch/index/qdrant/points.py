"""What is asked of a Qdrant collection, whoever answers: a server, the client's local mode, the engine in-process."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol

from imgsearch.errors import LibraryUnsupported
from imgsearch.records import Float32, Int64

MARKER_ID = (1 << 62) + 1
"""The point that says whose collection it is. No slot is as high. A point and not the collection's metadata, which
older servers and the in-process engine lack."""

BLOCK_BITS = 10
BLOCK = "block"
"""A point's payload has its slot without the last bits, as an integer with an index: by these blocks of 1,024
neighbours a filter is told that names too many slots one by one. A slot never changes, so neither does its block:
facts of pictures in the payload would have to follow every change of the catalog, or lose answers. Another number of
bits needs another recipe (`ownership.RECIPE`)."""

VECTORS = {"float16": 1e-3, "turbo8": 3e-2, "turbo16": 1e-3, "float32": 1e-5}
"""The data types that keep the order, and how far (L2) a unit vector that is read back may be from what was sent. With
qdrant-edge-py 0.9.0, 4 to 768 numbers, it was at most 3.7e-4, 1.2e-2, 4.5e-5 and 0."""

REFUSED = {
    "uint8": "it keeps whole numbers from 0 to 255, and the numbers of a unit vector lie between -1 and 1: "
    "recall@10 was 0.005, without an error",
    "turbo4": "with 4 bits and nothing finer beside them the best answers are lost without an error",
}
"""Data types that Qdrant accepts for unit vectors and that lose the answers."""


@dataclass(frozen=True, slots=True)
class CollectionForm:
    """How a collection keeps its vectors. ``multivector``: several vectors a point, scored by the best of them."""

    dims: int
    vectors: str
    distance: str
    multivector: bool


@dataclass(frozen=True, slots=True)
class Marker:
    """What a collection holds. ``library`` and ``model`` say whose it is; the slots before ``stop`` are all there, as
    of ``generation``. ``anchors``: [slot, image id, sha256] of a few images, by which a copy of the library that went
    another way is found out. ``recipe`` says how the vectors were chosen. ``block_bits``: how many bits the
    points' blocks leave out; 0 in a collection of which an older program made a part."""

    library: str
    model: str
    recipe: str
    stop: int = 0
    generation: int = 0
    images: int = 0
    anchors: tuple[tuple[int, int, str], ...] = ()
    block_bits: int = 0

    def as_payload(self) -> dict[str, str]:
        """One string, which every engine gives back as it was."""
        return {"imgsearch": json.dumps(asdict(self))}

    @classmethod
    def of_payload(cls, payload: dict[str, Any] | None) -> Marker | None:
        """None for a point that is no marker of ours."""
        try:
            values = json.loads((payload or {})["imgsearch"])
            known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
            anchors = tuple((int(slot), int(image), str(content)) for slot, image, content in known.pop("anchors", ()))
            return cls(**known, anchors=anchors)
        except (KeyError, TypeError, ValueError):
            return None


class Points(Protocol):
    """One collection. A point's id is the slot of an image, its vectors are representatives of the image, float32 [n,
    D]. ``name`` is for messages. Methods raise IndexServerError if there is no answer or a refusal."""

    @property
    def name(self) -> str: ...

    def form(self) -> CollectionForm | None:
        """None where there is no such collection."""
        ...

    def create(self, dims: int, vectors: str) -> None:
        """Make the collection: multivectors by MAX_SIM over inner products, no graph (m = 0), ``vectors`` as stored."""
        ...

    def drop(self) -> None: ...

    def upsert(self, ids: Int64, vectors: Sequence[Float32], payload: dict[str, str] | None = None) -> None:
        """Store points; returns when they are durable. The same points again change nothing. Without ``payload`` each
        gets its `BLOCK`."""
        ...

    def delete(self, ids: Int64) -> None: ...

    def count(self) -> int:
        """All points, exactly, the marker too."""
        ...

    def pages(self) -> Iterator[Int64]:
        """The ids of all points but the marker, ascending, a page at a time."""
        ...

    def read(self, ids: Int64) -> dict[int, Float32]:
        """The vectors of those of ``ids`` that exist."""
        ...

    def payload(self, point_id: int) -> dict[str, Any] | None:
        """None where there is no such point."""
        ...

    def nearest(
        self, text: Float32, count: int, only: Int64 | None, without: Int64 | None, blocks: Int64 | None = None
    ) -> Int64:
        """The ids of the ``count`` points that score best with ``text`` [D], among ``only``, outside ``without`` or in
        ``blocks``. All points that these leave are compared."""
        ...

    def close(self) -> None: ...


def require_form(form: CollectionForm, dims: int, name: str) -> None:
    """Raise LibraryUnsupported for a collection that would lose answers, or was made for other vectors."""
    hint = (
        "name another collection with the setting qdrant_collection, or make it anew: imgsearch build --qdrant --fresh"
    )
    if form.vectors not in VECTORS:
        reason = REFUSED.get(form.vectors, "nothing is known about its answers")
        raise LibraryUnsupported(f"{name} keeps its vectors as {form.vectors}; {reason}", hint)
    if not form.multivector or form.distance not in ("Dot", "Cosine"):
        raise LibraryUnsupported(
            f"{name} compares one vector a point by {form.distance}, expected several by MAX_SIM and Dot"
            if not form.multivector
            else f"{name} compares vectors by {form.distance}, expected Dot",
            hint,
        )
    if form.dims != dims:
        raise LibraryUnsupported(f"{name} holds vectors of {form.dims} numbers, the library's have {dims}", hint)
