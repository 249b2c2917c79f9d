"""The workers' task: the facts of a file's header, and of its sidecars, without decoding the picture."""

from __future__ import annotations

import os
from typing import Any

from imgsearch.media.facts.content import content_facts
from imgsearch.media.facts.sidecars import packed, read_sidecars
from imgsearch.media.limits import Limits
from imgsearch.media.opening import readable_kind, translated
from imgsearch.media.source import open_source
from imgsearch.records import FileFacts

TASK = "imgsearch.media.facts.task:facts_task"


def facts_task(arguments: Any, settings: dict[str, Any], limits: Limits) -> tuple[dict[str, Any], bytes]:
    """[path, [paths of sidecars]]: with a path its header's facts, else those of the sidecars. Raises MediaError."""
    path, sidecars = arguments
    return packed(header_facts(path, limits) if path else read_sidecars(sidecars)), b""


def header_facts(path: str | os.PathLike[str], limits: Limits) -> FileFacts:
    """What the header of the picture at ``path`` tells. Raises MediaError where it cannot be opened."""
    with translated("read"), open_source(os.fspath(path), limits) as source:
        return content_facts(source.stream, readable_kind(source.head, source.name))
