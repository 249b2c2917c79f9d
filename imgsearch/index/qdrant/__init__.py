"""Vectors served by Qdrant: the representatives of every image as one multivector, the exact scores at home. Importing
this loads no client."""

from __future__ import annotations

from imgsearch.index.qdrant.address import QdrantAddress
from imgsearch.index.qdrant.connection import connect
from imgsearch.index.qdrant.push import PushReport, PushStopped, push_library
from imgsearch.index.qdrant.remote_index import QdrantOpener

__all__ = ["PushReport", "PushStopped", "QdrantAddress", "QdrantOpener", "connect", "push_library"]
