"""The workers' task: the facts of a file's header, and of its sidecars, without decoding the picture."""

from __future__ import annotations

import os
from typing import Any

from imgsearch.media.facts.answers import Former, packed
from imgsearch.media.facts.content import content_facts
from imgsearch.media.facts.rereading import check_reading
from imgsearch.media.facts.sidecars import read_sidecars
from imgsearch.media.limits import DecodeLimits
from imgsearch.media.opening import readable_kind, translated
from imgsearch.media.source import open_source
from imgsearch.records import FileFacts


def facts_task(arguments: Any, settings: dict[str, Any], limits: DecodeLimits) -> tuple[dict[str, Any], bytes]:
    """[path, [paths of sidecars], what was found once of its shape]: with a path its header's facts, else those of the
    sidecars; with a shape also "check" (see `rereading.Check`). Raises MediaError."""
    path, sidecars, former = arguments
    if not path:
        return {"facts": packed(read_sidecars(sidecars))}, b""
    with translated("read"), open_source(os.fspath(path), limits) as source:
        kind = readable_kind(source.head, source.name)
        head: dict[str, Any] = {"facts": packed(content_facts(source.stream, kind))}
        if former:
            head["check"] = check_reading(source.stream, kind, Former(*former))
        return head, b""


def header_facts(path: str | os.PathLike[str], limits: DecodeLimits) -> FileFacts:
    """What the header of the picture at ``path`` tells. Raises MediaError where it cannot be opened."""
    with translated("read"), open_source(os.fspath(path), limits) as source:
        return content_facts(source.stream, readable_kind(source.head, source.name))
