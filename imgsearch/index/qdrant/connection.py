"""Connects to what an address names."""

from __future__ import annotations

from imgsearch.extras import needs_extra
from imgsearch.index.qdrant.address import EDGE, QdrantAddress
from imgsearch.index.qdrant.points import Points


def connect(address: QdrantAddress, collection: str) -> Points:
    """The collection ``collection`` at ``address``; nothing is asked of a server yet. Raises ExtraMissing, and
    IndexServerError if the folder of an in-process engine cannot be opened."""
    if address.url.startswith(EDGE):
        with needs_extra("vectors in a folder (edge:)", "qdrant-edge"):
            from imgsearch.index.qdrant.edge import EdgePoints
        return EdgePoints(address.url.removeprefix(EDGE), collection)
    with needs_extra("vectors on a Qdrant server", "qdrant"):
        from imgsearch.index.qdrant.client import ServerPoints
    return ServerPoints.at(address, collection)
