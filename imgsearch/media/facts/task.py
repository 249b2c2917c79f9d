"""The workers' task that reads the facts in a file's header or its sidecars, without decoding the image."""

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
    """``arguments`` are [path, paths of sidecars, [width, height, orientation] as once found, or nothing]. With a path
    the facts are those of its header, otherwise those of the sidecars. With a former shape the answer also has "check"
    (see `rereading.Check`). Raises MediaError."""
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
    """The facts in the header of the image at ``path``. Raises MediaError if it cannot be opened."""
    with translated("read"), open_source(os.fspath(path), limits) as source:
        return content_facts(source.stream, readable_kind(source.head, source.name))
